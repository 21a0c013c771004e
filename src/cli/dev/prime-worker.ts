/** A thread that loads what a node is made of, so that its compiled code is kept, and ends (prime.ts). */
import "../verbs/start.ts";
