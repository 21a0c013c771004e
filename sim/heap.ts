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

/**
 * Times lie beside the tasks in an array of their own: with a hundred thousand messages under way, what is
 * compared on the way up and down would else be as many reads of scattered objects.
 */
export class TaskHeap {
  readonly #items: Task[] = [];
  readonly #times: number[] = [];

  get size(): number {
    return this.#items.length;
  }

  peek(): Task | undefined {
    return this.#items[0];
  }

  /** Whether a task at this time goes before the one in this place. */
  #isBefore(atUs: number, task: Task, place: number): boolean {
    const other = this.#times[place] as number;
    return atUs < other || (atUs === other && task.seq < (this.#items[place] as Task).seq);
  }

  push(task: Task): void {
    const [items, times] = [this.#items, this.#times];
    const { atUs } = task;
    let at = items.length;
    items.push(task);
    times.push(atUs);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      if (!this.#isBefore(atUs, task, parentAt)) break;
      items[at] = items[parentAt] as Task;
      times[at] = times[parentAt] as number;
      at = parentAt;
    }
    items[at] = task;
    times[at] = atUs;
  }

  pop(): Task | undefined {
    const [items, times] = [this.#items, this.#times];
    const top = items[0];
    const last = items.pop();
    times.pop();
    const size = items.length;
    if (top === undefined || last === undefined || size === 0) return top;
    const { atUs } = last;
    let at = 0;
    for (;;) {
      let childAt = at * 2 + 1;
      if (childAt >= size) break;
      const right = childAt + 1;
      if (right < size && this.#isBefore(times[right] as number, items[right] as Task, childAt)) {
        childAt = right;
      }
      if (this.#isBefore(atUs, last, childAt)) break;
      items[at] = items[childAt] as Task;
      times[at] = times[childAt] as number;
      at = childAt;
    }
    items[at] = last;
    times[at] = atUs;
    return top;
  }
}
