/**
 * A known answer for signing with an expanded key: run before a signature of it is given out. That a
 * signature verifies says nothing about how its randomness was used, and the key is lost if that was
 * wrong; to be equal to noble's, byte for byte, says all.
 *
 * The key is that of falcon-self-test.ts, made from the seed 0, 1, 2 … 47. It protects nothing.
 */
import { equalBytes, fromHex } from "./bytes.ts";
import { FALCON_SEED_BYTES } from "./falcon.ts";
import { expandFalconKey, wipeFalconKey } from "./falcon-expanded-key.ts";
import { SELF_TEST_MESSAGE, SELF_TEST_SIGNATURE } from "./falcon-self-test.ts";
import { falconSignExpanded } from "./falcon-sign.ts";

const SECRET_KEY_HEX =
  "5aef8c10041eff7de110bbf7cbf27ba118be2ef880107e017c03f8883083400fb9befba32942100c3fe943c20b7c" +
  "f085c37fc2f8bc2f839d093c127c0307f7eff81df033b0907d07c40fecc4e8ba30043ef1460f07c208c7be044317" +
  "7df1881a00b62f0fa007f8308840d7ba617c840ffa20fbe0178a00fc5f0f83d07cbed0f5ef007c0f4bf100621174" +
  "107be2d947ce87c0f843ed0c3a1f3e0e0ffd0887ef7c7d2701d2ff82e7fc1ff804f0c1cfe81b0f02127b84f8be20" +
  "04df000dd00b61117fdf84410f7a0000441eb21fffc3e809e08c3affbc500bc3080bef87dcd875cffbe220021f87" +
  "e30ffdf104c4e07dc2044127c60e8420dec00077de17c1710fa6107be28be00003ef87de2fba0f0800f041a0783e" +
  "e8c40f00e217ba318fe51fc5e00460fec21e0822ffc1ef800518c5ef8441e081ce041f1fc3ee000200be22f78011" +
  "c7e0f742080220f3a107fe2d93ff2105b113bdd847b0740211ba907ca6f08431f023ef7c20641cf10c1f14c1013f" +
  "ff8041f83bfd0820e88451ffde20843f8fa10fba2ff4db0087de941fd90650ffc0193fef7c03f8bff0781af8401f" +
  "9bfe114bfe8824fec1de87fd18f82ef781073ffe73e2e73e3f87e1ff00607c5ff67c31f42440b6407c00173def8b" +
  "bfd80621833ff08240f05f10f9b17c22c801f118bc17f8117c631100007c1f07c22f7c9f27c81c8004f8c3d1f783" +
  "f0ba500461f07c1f9028305020002010400007fb1e7fcf8fe6df80607d1f0ffe518b7e287c2e8bdf07b5e000bdf8" +
  "4a3000a3104830041df8c400f861ff4e421003c806217f81f8bc617f81ffc1e16c23f0841f001fe7fc02ffc1c904" +
  "2003a5f7bc2197c4ffc4200024e0480210c3efbc0e87befec80ef8410fba406c22f7fc201880e08a407fe000bfa2" +
  "0be21204107c3f007e6197bde00c0ffc3fff8420145f0831f1781e07c0208045f773c08be40ef820fbe3383bdf80" +
  "231001ff790010003097e2ffba418bfc07be1ef8dff6f82e8ba30045dd78020f81c083c407c2107c1cf839f00020" +
  "0f8fa07ca1ff84228be310c1ed07c0108a110c240100117043f1080004390efe4178bc17fbf16fe008023180be06" +
  "83fe7c65e085c0848200840f785e08046f87c2f0c7c000bdf903a16fe107c03f8c9f06c7cdf8bef907de0c82d78a" +
  "30f740d8441e7464f07a0f07a41887f1f4400ec1f08402f8402fe83b083c11003b2137effbe5f0ca40f84017c041" +
  "8b9e0f020f6bfd0835e18c003045ff1482e0fff09041f83ff00821dfc1bff423073e200be20f41b1783f27060208" +
  "3a1ffa207fdd0707fcffc3f83c40f07f207e210be6278a0e8381f03c2ff440f83ff0f860084261fbfce8c42e97de" +
  "08be0e7482f884117ffef8420187bae0ba6f905f094de0041d0fcbf174421787fef45fd87e500420cfba1efc3d18" +
  "f810881e3ff5ce075d10080fffe106fc107421087e0f87fb18bdcd7c200fba2f002328864ff40217c200f83f0842" +
  "5f8bde0ffe510881013a1d7fa727fe100c60ff465f17e1d17c0e9420f785f10fe2f803f21bc001b9ef08463183e0" +
  "0c5a0f3fa10382168de193e4ff880e8800efc3d103e40007ff883d180a10801f07c01104042805d183e2e87fe17f" +
  "dee0fc317ca110c3d1081fe9b78fffdc1f77cf139cdf021f8be0f0be2e806410400f0802ef8c15105ae6c0210c22" +
  "e8c3eff49c1075ff840600c211ec4227c3fff79a0743d0ffc10e47c07f9c104a31f48610021f8042f8c4117483e0" +
  "07e07401e7be0f7361ffc20017a021000003e41780009482eec00d8442fff610ec2017c0007c1cd71936fdf50345" +
  "ef06e2d51ed92605fbe80af9e8d711f5fe080be90026dafcf228200001e1edea25e81d03f824184c172341f611f3" +
  "f609ff041dd209faea0301e507dbde22f4e407021613fae3dbfa1000e41117e4f3f90d03e41bfffbe62c18d4f60b" +
  "32d2d2082d081f1915fb2f301a2f16efd90fd81b08f403eef42026e1021d32483011d7fb0e2dd42a09eef700fef2" +
  "e5ec01f4f5020302e5fb0fd9e6fc0ff6190b00d5110216f8b7e80af01de80322d31a250f00f8c0d7fdd7fbfcf21d" +
  "f5f2d9e6f71711fc07f71fdd10292f41f2110e1bf1fdfbe6385f10e8de2e181c2bedca1614ead9ebfd020237020a" +
  "ffeb06ebe41809a4b7f3f90006e1e8241321280af5262b34f308f8d115f40ffee1fcea0337f8ead91c191319e1fb" +
  "04db00102adf28ec090e1ae00b1ff6011afdfbfaf2f208f1f8e00f2a1cfc0b2c1b09efe5f3001304eed2fe120de4" +
  "32f708f616ddf8e80c0be4cdecf7d3f906f01a011cf61e21fb0cebfdef18f6e6b6f4ffe11a1612fd18dd1d242dfd" +
  "1a23300d1e17fdea2cf312f912e108ff4605f80d11d1ef1df31f02e51a01fbfdf202e0e904dde8051b19f9f4eee5" +
  "1c1e09080f19ec1b0bf6d0fbfec0fedae5fc00e6da0d1612d8fc100cf5fae0ebf0d128f3e510fa1bed2427fcf6fa" +
  "280209fbf51b030c1525f82ff9fa1a07fef8ca08ed12d1d3f201d2f40fec30fa0026e3ff0b1f00ccedfaf9d9fc10" +
  "e6f328ee2e2302fb2e31cd210604f3fc0900e5e407fcea0ee11f1edf0ffff1f9e10a0304f3e8090b0f1a41e3020d" +
  "180fd8e6ffedf634180ed3161c053626ebf7ef27620debf8fa1c0e11b9312206fcf52aded11206e5f6ed02c7000e" +
  "efdfe2f715fdfcdfea1b35040bc8f826d9ff01ecf7e338ff092346fa10251a20f5ed17020cc1f30a3319f507feee" +
  "e42604d72202e609e9fbfce80df226d11004e3124403f906231d0ef7f5eaea16170527edf31430fdee15ead9e60d" +
  "e2fbe71242f90afcd3e6eb2ef5dfdcfc08110a0515d1141811f5e113f421f8f320e510f634f3d5e201e802f80d17" +
  "28060c261e07cae7f4daf6f2f810eb1b07e3c80414e7da08fa180f1df8dffacafa1622dd070002d72908d1ebea1b" +
  "ede413faee1a361106eb09051de1f817fc04e3eaebeee7f7e1082df5d607df05140e0a043226e106e0ed06172603" +
  "fa01fe04160e02042ff0102a33c5f91a1d10eeff080edf2f01d4daef1ddfebed0decfb14f5280808dd2c05dced08" +
  "18eaec020fea150fc91410f703f42103f0f8061fee1e060604c91a19faf2e817e1fc19e61800d9e610192518090e" +
  "001326000a12f216b11f0106231006102af2e6f5f4f8fd18fb0dd30fef150901d4fe0511f2f922db0008f70d07ec" +
  "e7f2def7f3e9f0f61ad0091cc50607eb0f1d1eeef40a2af7f419d61e03ecf60cec0e1b06ff09e6f617fee4fcf208" +
  "16590f1ce9";

export const SELF_TEST_SECRET_KEY: Uint8Array = fromHex(SECRET_KEY_HEX);
export const SELF_TEST_ENTROPY: Uint8Array = Uint8Array.from(
  { length: FALCON_SEED_BYTES },
  (_, i) => i,
);

/** What the signer gets wrong; undefined when it makes the signature that noble makes. */
export const falconSignerSelfTest = (
  sign: typeof falconSignExpanded = falconSignExpanded,
): string | undefined => {
  try {
    const key = expandFalconKey(SELF_TEST_SECRET_KEY);
    const signature = sign(SELF_TEST_MESSAGE, key, SELF_TEST_ENTROPY);
    wipeFalconKey(key);
    return equalBytes(signature, SELF_TEST_SIGNATURE)
      ? undefined
      : "another signature than noble's";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};
