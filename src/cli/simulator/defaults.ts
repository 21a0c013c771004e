/** What the verbs of the simulator do where nothing is said. */

/** Where failures go. */
export const FAILURES_FOLDER = "sim-failures";
