/**
 * Foreign text (advisory titles, summaries, reasons) made harmless: THREATS 3.4. Names and versions need none of this, they
 * pass an allow-list when they are read.
 */

/** C0 and C1 controls, bidi controls, zero-width and tag characters. */
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]+/gu;

/** Whether a reader would not see all of it. */
export function hasUnseen(text: string): boolean {
  return text.search(UNSEEN) !== -1 || !text.isWellFormed();
}

/** Printable ASCII with one space between words, as most texts are: `plain` leaves it as it is. */
const PLAIN = /^[!-~]+(?: [!-~]+)*$/;

/** Whatever `markdown` would change is in here: most words are not read ten times. */
const ACTIVE = /[&<>"\\`*_{}[\]()#|~!$@/:]|GH-\d|www\.|[0-9a-f]{40}|\S{61}/i;

/** Where a browser may break a word that would push the columns beside it out of sight. */
const LONG_WORD = /\S{60}(?=\S)/gu;

/** One line of plain text without anything that a terminal or a reader would take for something else. */
export function plain(text: string, max = 200): string {
  if (text.length <= max && PLAIN.test(text)) return text;
  const read = text.slice(0, max * 8); // a summary of megabytes is not read to its end for a line
  const line = read.replace(UNSEEN, ' ').replace(/ {2,}/g, ' ').trim().toWellFormed();
  const isCut = line.length > max || read.length < text.length;
  return isCut ? `${line.slice(0, max - 1).toWellFormed()}…` : line;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** For Markdown, inside or outside of a table: no markup, mention, reference, closing keyword or autolink survives. */
export function markdown(text: string, max = 200): string {
  const line = plain(text, max);
  if (!ACTIVE.test(line)) return line;
  return line
    .replace(LONG_WORD, '$&\u200b')
    .replace(/[&<>"]/g, (c) => ENTITIES[c] ?? c)
    .replace(/[\\`*_{}[\]()#|~!]/g, (c) => `\\${c}`)
    .replace(/\$/g, '&#36;') // GitHub's formulas
    .replace(/^\/(?=sluice\b)/i, '/\u200b')
    .replace(/@/g, '@\u200b')
    .replace(/(\bGH)-(?=\d)/gi, '$1-\u200b')
    .replace(/\\#(?=\d)/g, '\\#\u200b')
    .replace(/\b(https?|ftp):/gi, '$1\u200b:')
    .replace(/\bwww\./gi, 'www\u200b.')
    .replace(/\b([0-9a-f]{7})([0-9a-f]{33})\b/gi, '$1\u200b$2');
}

/**
 * Names and versions in Markdown, as far as their allow-list lets something through: two versions with a `~` would be struck out from
 * the one to the other, `_` counts where it is not inside of a word.
 */
export function name(text: string): string {
  return text.replace(/~|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, (c) => `\\${c}`);
}

/** Markdown for a terminal: the lines stay, and nothing in them steers it. */
export function shownLines(text: string): string {
  const clean = (line: string) => line.replaceAll('\u200b', '').replace(UNSEEN, ' ').trimEnd().toWellFormed();
  return text.trimEnd().split('\n').map(clean).join('\n');
}

/** A fenced block, closed by more backticks than any line has; each line as `plain` leaves it. */
export function fence(lines: readonly string[], language: string, indent = ''): string {
  const clean = lines.map((line) => unmarked(plain(line, 200)));
  return fenced(clean, language, indent);
}

/** The same of what a program printed for people: its columns stay as they are. */
export function printed(text: string): string {
  const lines = text.trimEnd().split('\n');
  return fenced(
    lines.map((line) => unmarked(line.replace(UNSEEN, ' ').trimEnd().toWellFormed().slice(0, 500))),
    'text',
  );
}

/** GitHub hides no comment inside of a fence, but whoever looks for a marker or a box of ours in a body reads lines. */
function unmarked(line: string): string {
  return line.replace(/^\/(?=sluice\b)/i, '/\u200b').replace(/<!--/g, '<!\u200b--');
}

function fenced(clean: readonly string[], language: string, indent = ''): string {
  const longest = Math.max(2, ...clean.flatMap((line) => (line.match(/`+/g) ?? []).map((run) => run.length)));
  const ticks = '`'.repeat(longest + 1);
  return [`${ticks}${language}`, ...clean, ticks].map((line) => `${indent}${line}`).join('\n');
}

const GITHUB = /^https:\/\/(?:www\.)?github\.com\//i;

/**
 * A link, where the address is plain https; else only its text. GitHub writes "mentioned this" into every issue that a body links to;
 * by its own redirector it does not (what Renovate does, renovatebot/renovate#2558).
 */
export function link(text: string, url: string | undefined): string {
  const label = markdown(text, 80);
  return url !== undefined && /^https:\/\/[A-Za-z0-9.-]+(\/[A-Za-z0-9._~:/?&=%+-]*)?$/.test(url)
    ? `[${label}](${url.replace(GITHUB, 'https://redirect.github.com/')})`
    : label;
}

/** A code span; what it holds passed an allow-list without backticks, or has them removed. */
export function code(text: string): string {
  return `\`${plain(text, 300).replaceAll('`', "'").replaceAll('|', '\\|')}\``;
}
