/** What a picture of a run is made of: plain data, the same where it is collected and where it is drawn. */

import type { Fork } from "../fork.ts";
import type { Stuck } from "../stuck/model.ts";

/** A message: from, to, index of its kind, sent and arrived (-1: never), bytes, view (-1: none), fate. */
export type Message = readonly [
  from: number,
  to: number,
  kind: number,
  sentUs: number,
  arrivedUs: number,
  bytes: number,
  view: number,
  fate: Fate,
];

/** 0 arrived, 1 lost, 2 a copy that the network made, 3 altered on the way, 4 still under way at the end. */
export type Fate = 0 | 1 | 2 | 3 | 4;

/** Something that happened at one node. */
export type Mark = readonly [node: number, atUs: number, kind: string, text: string];

/** A node's first own statement of a view. */
export type ViewMark = readonly [node: number, atUs: number, view: number];

export type Span = {
  readonly kind: string;
  readonly text: string;
  readonly fromUs: number;
  readonly untilUs: number;
  /** Nodes that it concerns, each with the group that it is in (0 where there are none). */
  readonly nodes: readonly (readonly [node: number, group: number])[];
};

export type PictureNode = {
  readonly name: string;
  readonly weight: number;
  /** What it does that honest nodes do not; "" for an honest one. */
  readonly adversary: string;
};

export type PictureData = {
  readonly title: string;
  /** Undefined where the run did not fail. */
  readonly failure:
    | {
        readonly verdict: string;
        readonly invariant: string;
        readonly sentence: string;
        readonly detail: string;
        readonly atUs: number;
        /** Of a run that is stuck: why. */
        readonly stuck: Stuck | null;
        /** Of a run that ends because a fork is there, or could be: who has made it possible. */
        readonly fork: Fork | null;
      }
    | undefined;
  readonly seed: number;
  readonly commit: string;
  readonly replay: string;
  readonly scenario: object;
  readonly nodes: readonly PictureNode[];
  readonly endUs: number;
  /** When all faults ended; -1 where the run did not come as far. */
  readonly healUs: number;
  /** The span in which messages are drawn. */
  readonly fromUs: number;
  readonly untilUs: number;
  readonly kinds: readonly string[];
  readonly messages: readonly Message[];
  readonly marks: readonly Mark[];
  readonly views: readonly ViewMark[];
  /** Times without a process, faults, adversaries. */
  readonly down: readonly Span[];
  readonly faults: readonly Span[];
  readonly adversaries: readonly Span[];
  /** Messages sent in each of equal parts of the whole run. */
  readonly activity: readonly number[];
  /** What there was and is not drawn. */
  readonly leftOut: { readonly messages: number; readonly events: number };
};
