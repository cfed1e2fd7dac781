import type { ForgeWords } from './acting.ts';

/** `rebuild`, `discard 12`, `promote infra/stable rocky-9-x86_64 openssl`: words of names and numbers only. */
const WHAT = '[a-z]+(?: [A-Za-z0-9_+~^][A-Za-z0-9._+~^/-]{0,255}){0,3}';
const TICKED = new RegExp(`^- \\[[xX]\\] <!-- sluice:(${WHAT}) --> `, 'gm');

/** A box that people tick: then the next run does it. Nothing where a tick would go unseen. */
export function box({ taskLists }: Pick<ForgeWords, 'taskLists'>, what: string, words: string): string {
  if (!new RegExp(`^${WHAT}$`).test(what)) throw new TypeError(`a box for ${what}`);
  return taskLists ? `- [ ] <!-- sluice:${what} --> ${words}` : '';
}

/**
 * Which boxes of ours are ticked: `sync`, `discard 12`. Only whole lines of the form that we write count; text of others is never one,
 * because neither `markdown` nor `fence` lets a comment of HTML through.
 */
export function ticked(body: string): string[] {
  return [...body.matchAll(TICKED)].map(([, what = '']) => what);
}

export function untick(body: string, boxes: readonly string[]): string {
  return body.replace(TICKED, (line, what: string) =>
    boxes.includes(what) ? line.replace(/^- \[[xX]\]/, '- [ ]') : line,
  );
}

const EMPTY = new RegExp(`^- \\[ \\] <!-- sluice:(${WHAT}) --> `, 'gm');

/** What people ticked in the body before is ticked in the one that takes its place, where it has the box. */
export function tick(body: string, boxes: readonly string[]): string {
  return body.replace(EMPTY, (line, what: string) =>
    boxes.includes(what) ? line.replace('- [ ]', '- [x]') : line,
  );
}
