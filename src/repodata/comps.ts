import { withoutMark } from './repomd.ts';
import { cutText, type Span } from './span.ts';
import { utf8Text, XmlReader } from './xml.ts';

/** All package names that a comps.xml asks for in its groups, without repetition, in order of appearance. */
export function readCompsNames(bytes: Buffer, at: string): string[] {
  const names = new Set<string>();
  for (const { name } of packageRequests(utf8Text(withoutMark(bytes), at), at)) names.add(name);
  return [...names];
}

/**
 * The same comps.xml without the `<packagereq>`s of names that `keep` refuses; a line that held nothing else goes with
 * it. Every other byte is as it was: groups, categories and environments stay, empty ones too.
 */
export function projectComps(bytes: Buffer, keep: (packageName: string) => boolean, at = 'comps'): Buffer {
  const text = utf8Text(withoutMark(bytes), at);
  return Buffer.from(
    cutText(
      text,
      packageRequests(text, at).filter(({ name }) => !keep(name)),
    ),
  );
}

/** Comps documents carry the empty-handed `<!DOCTYPE comps PUBLIC …>` of their DTD: nothing can expand from it. */
const DOCTYPE = /<!DOCTYPE\s+comps\s+PUBLIC\s+("[^"<>[]*"|'[^'<>[]*')\s+("[^"<>[]*"|'[^'<>[]*')\s*>/;

function* packageRequests(
  text: string,
  at: string,
): Generator<Span & { readonly name: string }, void, undefined> {
  const harmless = DOCTYPE.exec(text);
  const before = harmless ? text.slice(0, harmless.index) : '';
  const skipDoctype = harmless !== null && !/<[A-Za-z]/.test(before);
  // Blanked, not cut: offsets stay.
  const readable = skipDoctype
    ? before + ' '.repeat(harmless[0].length) + text.slice(before.length + harmless[0].length)
    : text;
  const reader = new XmlReader(readable, at);
  reader.root('comps');
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token !== 'open' || reader.name !== 'packagereq') continue;
    const start = reader.start;
    const name = reader.textContent().trim();
    yield { name, start, end: reader.end };
  }
}
