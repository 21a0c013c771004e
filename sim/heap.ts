/**
 * The event queue of the simulator: a binary heap ordered by (time, sequence number), so that events at
 * one instant run in the order in which they were scheduled and a run never depends on anything else.
 */

export type Task = {
  /** Virtual microseconds. */
  readonly atUs: number;
  readonly seq: number;
  /** Undefined once the task was cancelled or has run. */
  run: (() => void) | undefined;
};

const before = (a: Task, b: Task): boolean =>
  a.atUs < b.atUs || (a.atUs === b.atUs && a.seq < b.seq);

export class TaskHeap {
  readonly #items: Task[] = [];

  get size(): number {
    return this.#items.length;
  }

  peek(): Task | undefined {
    return this.#items[0];
  }

  push(task: Task): void {
    const items = this.#items;
    let at = items.length;
    items.push(task);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = items[parentAt];
      if (parent === undefined || !before(task, parent)) break;
      items[at] = parent;
      at = parentAt;
    }
    items[at] = task;
  }

  pop(): Task | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    const size = items.length;
    let at = 0;
    for (;;) {
      let childAt = at * 2 + 1;
      let child = items[childAt];
      if (child === undefined) break;
      const right = childAt + 1 < size ? items[childAt + 1] : undefined;
      if (right !== undefined && before(right, child)) {
        child = right;
        childAt += 1;
      }
      if (!before(child, last)) break;
      items[at] = child;
      at = childAt;
    }
    items[at] = last;
    return top;
  }
}
