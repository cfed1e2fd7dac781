import { WHOLE_BODY_LIMIT } from './limits.ts';

/** What the last line of a bot's body says to the next run: hidden from people, and never believed about anything but itself. */
export interface Marker {
  /** The intent: the branch without its prefix, `promote/infra/stable/rocky-9-x86_64`. */
  readonly id: string;
  /** Digest of the plan's files, `sha256:…`. */
  readonly plan: string;
  /** The commit that the plan was made from. */
  readonly base: string;
  /** The commit that the bot proposed last. */
  readonly head: string;
}

const ID = /^[A-Za-z0-9_+][A-Za-z0-9._+/-]{0,239}$/;
const PLAN = /^sha256:[0-9a-f]{64}$/;
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const FORM: Readonly<Record<keyof Marker, RegExp>> = { id: ID, plan: PLAN, base: COMMIT, head: COMMIT };
const KEYS = ['id', 'plan', 'base', 'head'] as const;

/** Whatever begins as one of ours does. base64url has no `--`, so nothing inside can end the comment. */
const ANY = /<!--\s*sluice:v1\b/g;
const WHOLE = /^<!-- sluice:v1 ([A-Za-z0-9_-]{1,2048}) -->$/;

export function renderMarker(marker: Marker): string {
  const { id, plan, base, head } = marker;
  for (const key of KEYS) {
    if (!FORM[key].test(marker[key])) throw new TypeError(`a marker with the ${key} ${marker[key]}`);
  }
  const json = JSON.stringify({ id, plan, base, head });
  return `<!-- sluice:v1 ${Buffer.from(json, 'utf8').toString('base64url')} -->`;
}

/**
 * Undefined where there is none that is whole: several, one in the middle of a line, one with other keys or values than ours, or in
 * another spelling of base64. Whoever may edit a body can write one all the same: it is held against the branch and its commits.
 */
export function parseMarker(body: string): Marker | undefined {
  return partsOf(body)?.marker;
}

/** The bot's text with the marker below it, and below that whatever people wrote there before, as far as there is room for it. */
export function withMarker(text: string, marker: Marker, before?: string): string {
  const own = `${text.trimEnd()}\n\n${renderMarker(marker)}\n`;
  const notes = before === undefined ? '' : (partsOf(before)?.notes ?? '');
  const room = WHOLE_BODY_LIMIT - own.length - 2; // the line ends around them
  return notes === '' ? own : `${own}\n${fittingNotes(notes, room)}\n`;
}

const CUT = '_The rest of these notes had no room here; GitHub keeps it in the edits of this text._';

function fittingNotes(notes: string, room: number): string {
  if (notes.length <= room) return notes;
  const kept = notes.endsWith(CUT) ? notes.slice(0, -CUT.length).trimEnd() : notes;
  const begin = kept.slice(0, Math.max(0, room - CUT.length - 2));
  const end = begin.lastIndexOf('\n');
  return `${(end > 0 ? begin.slice(0, end) : begin.toWellFormed()).trimEnd()}\n\n${CUT}`.trimStart();
}

/** A body without its marker and what stands below it; as it is where it has none. */
export function withoutMarker(body: string): string {
  return partsOf(body)?.text ?? body;
}

function partsOf(body: string): { text: string; marker: Marker; notes: string } | undefined {
  if ((body.match(ANY) ?? []).length !== 1) return undefined;
  const lines = body.split(/\r?\n/); // a person's edit in a browser comes back with CRLF
  const at = lines.findIndex((line) => WHOLE.test(line));
  const marker = decode(WHOLE.exec(lines[at] ?? '')?.[1] ?? '');
  if (!marker) return undefined;
  return {
    text: `${lines.slice(0, at).join('\n').trimEnd()}\n`,
    marker,
    notes: lines
      .slice(at + 1)
      .join('\n')
      .trim(),
  };
}

function decode(text: string): Marker | undefined {
  const bytes = Buffer.from(text, 'base64url');
  if (text === '' || bytes.toString('base64url') !== text) return undefined;
  let data: unknown;
  try {
    data = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof data !== 'object' || data === null || Object.keys(data).join() !== KEYS.join()) return undefined;
  const found = data as Record<keyof Marker, unknown>;
  const good = KEYS.every((key) => typeof found[key] === 'string' && FORM[key].test(found[key]));
  return good ? (found as Marker) : undefined;
}

/** The key of a comment that ends with such a marker; whoever can write can write one. */
export function commentKey(text: string): string | undefined {
  return /<!-- sluice:comment ([a-z0-9][a-z0-9-]{0,60}) -->\s*$/.exec(text)?.[1];
}

/** What people read of it. */
export function withoutCommentMarker(text: string): string {
  return text.replace(/\s*<!-- sluice:comment [a-z0-9-]{1,61} -->\s*$/, '');
}

/** A comment of the bot's is found by this and edited, never repeated. */
export function commentMarker(key: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,60}$/.test(key)) throw new TypeError(`a comment with the key ${key}`);
  return `<!-- sluice:comment ${key} -->`;
}
