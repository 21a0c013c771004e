/** The little of a browser that the picture uses; the compiler's own description of it would be for all code. */

export type Pen = {
  fillStyle: string;
  strokeStyle: string;
  lineWidth: number;
  globalAlpha: number;
  font: string;
  textAlign: "left" | "right" | "center";
  textBaseline: "top" | "middle" | "alphabetic" | "bottom";
  setTransform(a: number, b: number, c: number, d: number, e: number, f: number): void;
  clearRect(x: number, y: number, width: number, height: number): void;
  fillRect(x: number, y: number, width: number, height: number): void;
  strokeRect(x: number, y: number, width: number, height: number): void;
  beginPath(): void;
  closePath(): void;
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  arc(x: number, y: number, radius: number, start: number, end: number): void;
  rect(x: number, y: number, width: number, height: number): void;
  roundRect(x: number, y: number, width: number, height: number, radius: number): void;
  fill(): void;
  stroke(): void;
  clip(): void;
  save(): void;
  restore(): void;
  setLineDash(segments: readonly number[]): void;
  fillText(text: string, x: number, y: number): void;
  measureText(text: string): { readonly width: number };
};

export type PageEvent = {
  readonly key: string;
  readonly offsetX: number;
  readonly offsetY: number;
  readonly clientX: number;
  readonly deltaX: number;
  readonly deltaY: number;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly pointerId: number;
  preventDefault(): void;
};

export type PageElement = {
  textContent: string | null;
  className: string;
  title: string;
  width: number;
  height: number;
  tabIndex: number;
  readonly clientWidth: number;
  readonly clientHeight: number;
  readonly style: Record<string, string>;
  readonly dataset: Record<string, string>;
  readonly classList: { toggle(name: string, on: boolean): void };
  append(...children: (PageElement | string)[]): void;
  replaceChildren(...children: PageElement[]): void;
  setAttribute(name: string, value: string): void;
  setPointerCapture(id: number): void;
  getContext(kind: "2d"): Pen | null;
  addEventListener(
    type: string,
    listener: (event: PageEvent) => void,
    options?: { readonly passive: boolean },
  ): void;
};

declare const document: {
  title: string;
  readonly documentElement: PageElement;
  getElementById(id: string): PageElement | null;
  createElement(tag: string): PageElement;
  addEventListener(type: string, listener: (event: PageEvent) => void): void;
};
declare const window: {
  readonly innerHeight: number;
  readonly devicePixelRatio: number;
  matchMedia(query: string): {
    readonly matches: boolean;
    addEventListener(type: "change", listener: () => void): void;
  };
  addEventListener(type: string, listener: () => void): void;
  requestAnimationFrame(callback: () => void): number;
};

export const page: typeof document = document;
export const view: typeof window = window;

export const element = (id: string): PageElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
};

/** An element with text. */
export const make = (tag: string, text = "", className = ""): PageElement => {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
};
