/** Progress on stderr: a bar that is redrawn on a terminal, a plain line every ten seconds elsewhere. */
import type { Terminal } from "./output.ts";
import { short } from "./width.ts";

export type Progress = {
  update(done: number, total: number): void;
  /** `whole`: all of it is done, whatever the last update said. */
  end(whole?: boolean): void;
};

const BAR_CELLS = 24;
/** Less tells nothing: the counts stand alone then. */
const BAR_CELLS_MIN = 4;
const REDRAW_MS = 100;
const PLAIN_MS = 10_000;

const seconds = (ms: number): string => {
  const whole = Math.round(ms / 1000);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
};

/** `from`: what was done before this run, which its rate does not count. */
export const createProgress = (
  terminal: Terminal,
  what: string,
  unit: string,
  nowMs: () => number,
  from = 0,
): Progress => {
  const started = nowMs();
  let drawnAt = Number.NEGATIVE_INFINITY;
  let last = "";
  let lastTotal = 0;
  const lineOf = (done: number, total: number): string => {
    const spentMs = nowMs() - started;
    const rate = spentMs > 0 ? ((done - from) * 1000) / spentMs : 0;
    const share = total > 0 ? Math.min(1, done / total) : 1;
    const left =
      rate > 0 && done < total ? `, ${seconds(((total - done) * 1000) / rate)} left` : "";
    // A slow rate would else be the same number for minutes.
    const perSecond = rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate);
    const counts = `${done}/${total} ${unit}, ${perSecond}/s${left}`;
    // A line that wraps is not redrawn, but written below itself each time.
    const room = terminal.live ? terminal.columns() - 1 : Number.POSITIVE_INFINITY;
    const cells = Math.min(BAR_CELLS, room - `${what} [] ${counts}`.length);
    if (cells < BAR_CELLS_MIN) return short(`${what} ${counts}`, room);
    const filled = Math.round(share * cells);
    return `${what} [${"#".repeat(filled)}${".".repeat(cells - filled)}] ${counts}`;
  };
  return {
    update(done, total) {
      const now = nowMs();
      last = lineOf(done, total);
      lastTotal = total;
      if (now - drawnAt < (terminal.live ? REDRAW_MS : PLAIN_MS)) return;
      // The first plain line comes after ten seconds: what is quicker needs none.
      if (!terminal.live && drawnAt === Number.NEGATIVE_INFINITY && now - started < PLAIN_MS)
        return;
      drawnAt = now;
      terminal.err(terminal.live ? `\r\x1b[2K${last}` : `${last}\n`);
    },
    end(whole = false) {
      if (whole && last !== "") last = lineOf(lastTotal, lastTotal);
      if (last !== "") terminal.err(terminal.live ? `\r\x1b[2K${last}\n` : `${last}\n`);
    },
  };
};
