/** `tetrad/client`: a client of the HTTP API, in Node and in browsers. */
export { ApiClient } from "./api.ts";
