/**
 * Runs a scenario and shows everything that happens, in words: what timelines, root diffs and pictures are
 * made of. A run is the same with and without somebody who looks, so a failure is run again to be shown.
 */
import type { CheckerFactory, Dump, Status } from "./checkers/types.ts";
import { faultText, msText } from "./describe.ts";
import { type FrameLabel, labelOfFrame, labelOfType } from "./message-names.ts";
import type { Fault, Scenario } from "./scenario.ts";
import { type RunOptions, type RunResult, simulate } from "./simulate.ts";
import type { EventKind, TraceEvent } from "./trace.ts";

/** One thing that happened. Times in virtual microseconds; `node` and `other` are slots, -1 for none. */
export type Moment = {
  readonly atUs: number;
  readonly kind: EventKind;
  readonly node: number;
  /** For frames the peer, for `executed` the height. */
  readonly other: number;
  readonly length: number;
  readonly note: string;
  /** For frames. */
  readonly label: FrameLabel | undefined;
  /** For frames that were sent or have arrived. */
  readonly bytes: Uint8Array | undefined;
};

export type Listener = {
  moment?(moment: Moment): void;
  /** After each executed block of a node, and now and then. */
  status?(slot: number, status: Status, atUs: number): void;
  /** The audit at the end, where a run came as far. */
  end?(dumps: readonly Dump[]): void;
};

const FRAMES: ReadonlySet<EventKind> = new Set(["send", "deliver", "drop"]);

/** Runs the scenario once, with the checkers of `options` or all of them, and tells the listener. */
export const record = (scenario: Scenario, options: RunOptions, listener: Listener): RunResult => {
  // The trace tells of a frame just before the checkers are shown its bytes.
  let waiting: TraceEvent | undefined;
  const emit = (event: TraceEvent, bytes: Uint8Array | undefined): void => {
    const { atUs, kind, node, other, length, note, type } = event;
    const isFrame = FRAMES.has(kind);
    const label = bytes === undefined ? labelOfType(type) : labelOfFrame(bytes);
    listener.moment?.({
      ...{ atUs, kind, node, other, length, note, bytes },
      label: isFrame ? label : undefined,
    });
  };
  const flush = (bytes?: Uint8Array): void => {
    if (waiting === undefined) return;
    const event = waiting;
    waiting = undefined;
    emit(event, bytes);
  };
  const watcher: CheckerFactory = (context) => ({
    id: "recorder",
    title: "sees everything and judges nothing",
    sent: (_from, _to, _class, bytes) => flush(bytes),
    delivered: (_from, _to, bytes) => flush(bytes),
    status: (slot, status) => listener.status?.(slot, status, context.nowUs()),
    end: (dumps) => listener.end?.(dumps),
  });
  const result = simulate(scenario, {
    ...options,
    watch: watcher,
    onEvent: (event, digest) => {
      flush();
      options.onEvent?.(event, digest);
      if (event.kind === "send" || event.kind === "deliver") waiting = event;
      else emit(event, undefined);
    },
  });
  flush();
  return result;
};

/** The fault that a "fault" event is about. */
export const faultOf = (moment: Moment): Fault => JSON.parse(moment.note) as Fault;

const sizeText = (bytes: number): string =>
  bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`;

const whatText = (moment: Moment): string => {
  const { kind, label, note, length } = moment;
  if (label !== undefined) {
    const view = label.view === undefined ? "" : `, view ${label.view}`;
    return `${label.kind}${view} (${sizeText(length)})`;
  }
  if (kind === "fault") {
    const fault = faultOf(moment);
    const until = "untilMs" in fault ? `, until ${msText(fault.untilMs)}` : "";
    return `${faultText(fault)}${until}`;
  }
  if (kind === "executed") return `height ${moment.other}, log root ${note.slice(0, 16)}`;
  return note;
};

/** Events that happen to everybody. */
const EVERYBODY: ReadonlySet<EventKind> = new Set(["heal"]);

/** One line: time in seconds, who (and from or to whom), what kind of thing, what. */
export const momentLine = (moment: Moment): string => {
  const { atUs, kind, node, other } = moment;
  const time = (atUs / 1_000_000).toFixed(6).padStart(12);
  const arrow = kind === "deliver" ? "<" : ">";
  const peer = FRAMES.has(kind) ? `${arrow} n${other}` : "";
  const who = EVERYBODY.has(kind) ? "all" : `n${node}`;
  return `${time}  ${who.padEnd(4)}${peer.padEnd(6)}${kind.padEnd(13)}${whatText(moment)}`.trimEnd();
};
