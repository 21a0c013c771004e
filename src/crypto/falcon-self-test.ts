/**
 * Known answers for an implementation of FALCON verification: run before an implementation is trusted
 * with the network's signatures. Key and signature were made by falcon.ts from the seed and the entropy
 * 0, 1, 2 … 47; a test makes them again and compares.
 */
import { fromHex } from "./bytes.ts";
import { utf8 } from "./codec.ts";
import type { FalconVerifier } from "./falcon.ts";

const PUBLIC_KEY_HEX =
  "0a10e26f5266858d004af640c02ac639a80b6296dde531314349b868570b9cecf6f463fe21983afaf59b648c6d5c" +
  "5024c9e30a214d59b567261e943985cb15f41a2cbe23a169b5325051c70828c77a04a3abe3166e6669c5dbcaafdb" +
  "a0adf36ad6d72ebd549516e92cfe46582b171dd251a15484155d1cfa885cd917204cb3bc50e5e0ab14c236411cc6" +
  "0ed4260b7a0b127742d50dbc62169dee735ec4fa89244304b14dbce20f45ed2b163ae16592c64e981f16d0e37339" +
  "a6d66a53e449215e0a9a3f1f9834c0ecc539cfd3a8514934f5c286a1f6b33151dda58872bea7f34f2c31125075ff" +
  "420e8f520578425eb98fc1f1f7ae4bfab6a44732ce64922d649b142410b25e6236b066df84b43d1d92c2effd2f48" +
  "5872246d574e5e1de5589b556de01186e42f401af578e1b8e54f7d956114f90da09a20d35b64d50822a9a4da2c10" +
  "f96e9280238b632023e0a4ba0f4b8f0bc11b23906b0c13019e5aed27d646b2696a1352b2502dc68bdd265c5dad77" +
  "37a296b30d78ef2a9f253c8595b061396d628dfa7dc76e5f5f44b90b5815cef5567df8d9d189410185e625e9d47b" +
  "736592f328a27563168c059068449ba862480c054f580e9ac4e7e900284eb3f91f0b089b047654a7860b07ecc73b" +
  "8102220e18522170ae4670ee673a158f5747667568c891f14f9db615d8110c29dce5cb88131f79ca67454318e575" +
  "224c7bad26ab88fd8d18b516a9674993c44b82e94ef515102895610324752663df4b4e926a546f581c40c862f233" +
  "9a019e7017cbb845b07a8dbb43aa48878a0dd0a0ba115a1aa99655f0485338c59850e722657c057cb1f928713c09" +
  "89455fe29c897994b0a7cdd239b69ba83fcb6d33f6f5f76a6b8303ba5841e1e5329ab4a4507deee06f8a28c3ae99" +
  "caaad059fbe8aea4764033e627d3a235ce92f7d918f85f1260ca444f4e9d386810d305805d8d3da0b3a89164cc82" +
  "71ee538b8b895224d3ca0b8d185fc3c39f248df21c14e7d9f956ae26f49a6cb62c92159bdf876d9ebce593dd49c7" +
  "20e9f904ed1f428705a95b6125d670287271b402eaaa051a63c16872a500d40affc6b9b2da6843328b914780f298" +
  "1dd24f0e3281710f5d7433ad3a046fa5af65f6328b3b9eebbbb6ed2b4a01743bb5c9fb329faa8efcb8c09ad49c1e" +
  "b6b72b6dca8f9d2df009bceb589c916cb11fd726bf2ceda7c44eaf945a6f39485c6aab369630b529b473c8816028" +
  "d0f1848ce8d53c043c46d28f33e9d6ed9d928262f057260b080fb0645e19409cf7f1856ebe0271d818094f442f54" +
  "55fb35d05a01ec089a6d467b8200409b3adaf5238e9b61325b9e443622709f51378966c07500ac8b1369fe9a35e9" +
  "aa206d9bd5d7467d9d89f23a8a89c75846bd87e290b46855c327e508bc2702d35a77127b9ee2e0e11602f47fc96c" +
  "39da01837e7c20065f419ebab967575410ba2282227472a87816ca99983cc48b7a5ef3f22e9b856462fc14ab5da0" +
  "b9c60efa5dce364c3064a7212791b7980c15ea9eb9322629aa542f021f798ac3a6ea348316912023e58b39596761" +
  "cd1155215c1ffbe0a5b628cd67d8255e0987483d233a2d129abd1426d6efec1a4a9446ffd1883a70f015f845d703" +
  "b61d0a482693a480ddc3779bea975d54d6d8843104896b9a369f1511dccbc4078722832935a7a0c2c6020574f066" +
  "e11fb48121d6cac0fe3d4cf1a55a86f3b87d1756ae43ac03e02181fe670686ee6104794266bf669dc86468d17a20" +
  "a139c6863d041c5ed3eaac765b0c3d0bb62267ac7c0f8665088058bd93d9f59bc170497300f14f3c935233195d2e" +
  "bc74b120441700e42afa78b09f04275ad4594177a1c199c0afd87da463403e0a15984d14690dcdd201968602da16" +
  "b54a95a704c45ebbf2d87fb37a9f90024285bb7529911a578d87f092c3a5082f4891c269724fef92e10b99750f9f" +
  "aea246fb815df43cc2e3731705ec69617dc314a45b4dce1b91566c01330e5fb1bc5aa82d6af51b9be7af19958d49" +
  "2e597da2daa656d0aa7eb80058804fea2e423e3848fd517a6c4e8c0b9f41b9101d19a5ed2d5f9cfe45da831ef1ac" +
  "3801e03965dd21b871f8125b869a7ef688fd2c2f466446c5b18aaf9e3cbbc3224526b8aee609269f70873ae3a40a" +
  "edfe32f5b6ab6aa90b8d42657b08938a2d717490a7da6d2b0900c9236d7c39dea4b4fc1683759e41486e84eb2624" +
  "9fe7b6ec601ec6b366c8e36d535963c838ee173196c977636ada1afe52375c9fa7252a827aa927ac2e094c073dca" +
  "c541f10984ce5af72c7d9b5087d49d4bbca32b3f054f35feb0cb63099a1aa9da37522e4467e64ae275807b96baef" +
  "761a51a937e2aeba2289bf35f40ca2bde54e637ab5e562081eba3486078aefd1043af4038d6c2b01de04c1f2e16f" +
  "760dcc79c091bd087612627aa4380165a1f66ba810b3a116a7b71d1522d0a7966982e4126c4b921e4db0701d91ba" +
  "748810ba32f4c6addcb167b969c7a9ea118e283975c4d3499e8ee873cb831e4e44d990784979489a4c133dcd88";

const SIGNATURE_HEX =
  "3a5d5fd6a8ec1715af06af3ab77e6b57e5723a8647c3b55ee5efb436a5f6ca07580eae81bd3162d29d1a38241fd5" +
  "b2963f3154c503e88c8f3de1d3185ea677a642daa7bd0ac23b85aeed70c32ff90f7d6d5dea515398bd0a6aab0ece" +
  "530ae99eace5a99dcfa7156e234fbd799d1847364182a25f645878b3d795c3679e972558ee4e2db4fd3a005bad70" +
  "76e73d23afc44c0996cc1bb36eab380703312bb73779b6b73f3f8a239c3cbb2f213cd7b9ae3a71cae0b072b6b2f4" +
  "f5e8b20eb4325fa1b3c6b78ffae0e3401a0a644125b1960a9f18a13ac704f01eda9bafb48919a62716d444f1c479" +
  "cdacce58322135c4368ca24f0496c32bd1f4125df3c3a6766a38e44bcc41a447113fa5aae482cf1c95aeb50432b0" +
  "74ea2a72142a9df79bb95a87a565d67f91c5d2cdea96c16d3862ad5f6a93db81a71c724d97e42a98a4327d30a70e" +
  "62525ca15159d41e27097bdb735c4fbac85668601c9613a997edfe262b613a6eee52c733047d1029ad03cf778044" +
  "d04fc383c330aba69b775bdee65078bd9be9d3e7abf0c55f85ee694b73bfcfe0e9d298aa3e9336f53a8ff7bd2a49" +
  "fd5dc8dac79439b0b6b546f4c91ae25cb1bc42c4ffadea769658e21ddebfda9fa640d8260598d461f4d172269722" +
  "8cfe31b39bdbaeb1a4d96a60e1f0b5e503d748286954050dccfc7e8dc1375e77cf89b12832dc17fa6929b6f95c06" +
  "10566387f4cca2662df6feb2c41fc712658d129d9a503528789a21acf2d0ccb8dcf83cc734e770f14d35f9135b35" +
  "90142b517948a959fcdb8f726448929a634e57ee1dbed867281eb2e29b9ff7b483b893aaf79a33bfd79374a93738" +
  "d173f6a16589b43b94e5a31e5d66f4daca521ea3f5b468d22a99deed799ee6104254620eed137de3a90663f3b99e" +
  "bc3e2712bdd8298f6a40c3c7953cb337759e22d0d5f295814533fc366ce42a50621db3b1e67e583c22d7afee5d28" +
  "533b1f43dd7740665cfb225095967afc537b68fd5e5aca1c5e4cccce7c9957b31aadb058664a4fe192ad5ded3d54" +
  "6eaab747db24697fac1aea81091eedc6bfa4bf3cf68b51f645719454f33757611097ef54b37659562d1e3354bc69" +
  "ee96c838b251a1d8a85903ee4db19e06f1a2eac1c5218b7279788769e1b024a6d6f81df75352ce963a8cd65b6283" +
  "ab76eccb4ca72092188552a247ac7c68361d17f7f4192973fa4eee9dcf3f552ca897e953384078282a6ecfef19ca" +
  "6b8ad66ca6c970b4699418153bd05418d6b4f4264a8101270cf6d7d93750d97e51aba84f98c53adb71d44a96648e" +
  "e357df61e65aed7aff228518d61517b839853d02e99cf40d0d35d6928ca452e6ca16fa886314f7d9f3ec1bf4abbb" +
  "fbcda22f4c8d25e31e4645f34fd75546ad3726b40b5dc083f9bcc5578c8a45943cdf69ee4853b77ba3dd2023146b" +
  "6148a42f928524aae707693af2b8f54d7320334a75918d202fe21f55735079e917e3fab23341374df6251eed2639" +
  "a2a71f453204dd6452b27bbf06d349119cbcfd1d60be47c9e61c4b896dcd50726a563dcf5f845caf908c96398660" +
  "121d03cbad9d2e51f5eb10bb647088ea2a91a8d6fd39318792a3cb4eb4f92210d1a0280f46d71c65dd84968747c8" +
  "44acfaef8caf79d4d5af7d519bbfca51245ff7f34fda98ba0ceeef62316ef57e578933f97ca57f07d6beccd49c33" +
  "8860ce2b8984448bca22735239cc62b6c6e819cb177984274dcf9f75b440a3fd56b9af8cc3fdcefca077b3161c57" +
  "de9ea5bf2c5766a7370a6fde957298a53fee0b99a7caf7e0e882101428d20000000000000000";

export const SELF_TEST_MESSAGE: Uint8Array = utf8("tetrad falcon self-test");
export const SELF_TEST_PUBLIC_KEY: Uint8Array = fromHex(PUBLIC_KEY_HEX);
export const SELF_TEST_SIGNATURE: Uint8Array = fromHex(SIGNATURE_HEX);

const flipped = (bytes: Uint8Array, index: number, mask: number): Uint8Array => {
  const copy = bytes.slice();
  copy[index] = (copy[index] ?? 0) ^ mask;
  return copy;
};

/** The name of the first case that the implementation gets wrong; undefined when it passes. */
export const falconSelfTest = ({ verify }: FalconVerifier): string | undefined => {
  const message = SELF_TEST_MESSAGE;
  const publicKey = SELF_TEST_PUBLIC_KEY;
  const signature = SELF_TEST_SIGNATURE;
  const cases: readonly (readonly [string, boolean, Uint8Array, Uint8Array, Uint8Array])[] = [
    ["a valid signature", true, signature, message, publicKey],
    ["another message", false, signature, flipped(message, 0, 1), publicKey],
    ["another nonce", false, flipped(signature, 1, 1), message, publicKey],
    ["a changed signature", false, flipped(signature, 500, 1), message, publicKey],
    ["a signature of another format", false, flipped(signature, 0, 0x10), message, publicKey],
    ["bytes in the padding", false, flipped(signature, 1279, 1), message, publicKey],
    ["another key", false, signature, message, flipped(publicKey, 900, 1)],
    ["a key of another degree", false, signature, message, flipped(publicKey, 0, 3)],
    ["a signature that is too short", false, signature.subarray(1), message, publicKey],
    ["no key", false, signature, message, publicKey.subarray(0, 0)],
    ["the valid signature again", true, signature, message, publicKey],
  ];
  for (const [name, expected, ...input] of cases) {
    if (verify(...input) !== expected) return name;
  }
  return undefined;
};
