/**
 * For `node --import`: from when the file of TETRAD_TEST_BREAK is there, the QUIC library of sessions throws in every turn
 * of every connection of this process. It stands for a fault of native code that does not end the process.
 */
import { existsSync } from "node:fs";
import quiche from "@matrixai/quic/native/quiche.js";

const library = quiche.Connection.prototype;
const file = process.env.TETRAD_TEST_BREAK ?? "";
const { timeout } = library;

library.timeout = function (...args) {
  if (existsSync(file)) throw new Error("broken for a test");
  return timeout.apply(this, args);
};
