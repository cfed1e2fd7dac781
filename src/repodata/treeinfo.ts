import { type Checksum, parseChecksum } from '../base/checksum.ts';
import { byCodeUnit } from '../base/order.ts';
import { safeHref } from './location.ts';
import { withoutMark } from './repomd.ts';
import { invalid, utf8Text } from './xml.ts';

/** A file of an installation tree: an image, a kernel. */
export interface TreeFile {
  /** Below the tree, checked: it leaves no folder and meets no name that is ours. */
  readonly path: string;
  readonly checksum: Checksum;
}

/** What a `.treeinfo` says (productmd 1.x, and what was before it). */
export interface Treeinfo {
  /** By path. */
  readonly files: readonly TreeFile[];
  /** Seconds; 0 where it has none. */
  readonly timestamp: number;
  /** `Rocky Linux 9.4`, as written: anybody's words. */
  readonly release: string;
}

export const MAX_TREEINFO_BYTES = 1 << 20;
const MAX_FILES = 500;
/** Of a published tree; what is below them is ours to say. */
const OURS = new Set(['repodata', 'packages', 'mirrorlist', '.treeinfo', 'treeinfo']);

interface Line {
  readonly text: string;
  readonly section: string;
  /** Undefined: a comment, an empty line, a section's head. */
  readonly key?: string;
  readonly value?: string;
}

/**
 * Files and what they must be. METADATA_INVALID for what is no treeinfo, for an image that it names without a checksum, and for one
 * that is no tree of this repository; UNSAFE_PATH for a path that leaves the tree.
 */
export function readTreeinfo(bytes: Buffer, at: string): Treeinfo {
  const lines = linesOf(bytes, at);
  const files = new Map<string, Checksum>();
  for (const { key, value } of entries(lines, 'checksums')) {
    if (/^repodata\//.test(key)) continue; // of the vendor's: ours is another
    const [first = ''] = safeHref(key, at).split('/');
    if (OURS.has(first.toLowerCase()) || key.includes('%')) throw invalid(`it has a file ${key}`, at);
    files.set(key, parseChecksum(value, `${at}: ${key}`));
  }
  const paths = [...files.keys()].sort(byCodeUnit);
  if (paths.length === 0) throw invalid('it names no file with a checksum', at);
  if (paths.length > MAX_FILES) throw invalid(`it names more than ${MAX_FILES} files`, at);
  const folded = new Set(paths.map((path) => path.toLowerCase()));
  if (folded.size < paths.length) throw invalid('two of its files have one name but for the case', at);
  const inside = paths.find((path) => paths.some((other) => other.startsWith(`${path}/`)));
  if (inside !== undefined) throw invalid(`${inside} is a file and a folder`, at);
  for (const { section, key, value } of lines) {
    const isImage = /^images-/.test(section) || section === 'stage2';
    if (key === undefined || !isImage || !value || files.has(value)) continue;
    throw invalid(`it names ${value} (${section}) without a checksum`, at);
  }
  ownVariants(lines, at);
  const timestamp = Number(
    wordOf(lines, 'tree', 'build_timestamp') ?? wordOf(lines, 'general', 'timestamp') ?? 0,
  );
  return {
    files: paths.map((path) => ({ path, checksum: files.get(path) as Checksum })),
    timestamp: Number.isFinite(timestamp) ? Math.max(0, timestamp) : 0,
    release: releaseOf(lines),
  };
}

/**
 * The `.treeinfo` that is published: variants that lie in other repositories are left out, because installers would take their
 * packages from wherever that is (anaconda enables each one); the variant that is here names our folders. All else is the vendor's.
 */
export function projectTreeinfo(bytes: Buffer, at: string): Buffer {
  const lines = linesOf(bytes, at);
  const own = ownVariants(lines, at);
  const kept = lines.flatMap(({ text, section, key, value }): string[] => {
    const variant = variantOf(section);
    if (variant !== undefined && !own.has(variant)) return [];
    if (key === undefined) return [text];
    const set = (to: string): string[] => [`${key} = ${to}`];
    if (section === 'checksums' && /^repodata\//.test(key)) return [];
    if (
      variant !== undefined &&
      /^(?:addons|variants|(?:source|debug)_(?:packages|repository)|identity)$/.test(key)
    )
      return [];
    if (variant !== undefined && key === 'repository') return set('.');
    if (variant !== undefined && key === 'packages') return set('packages');
    if ((section === 'tree' || section === 'general') && key === 'variants') return set([...own].join(','));
    if (section !== 'general' || !value) return [text];
    if (key === 'repository') return set('.');
    if (key === 'packagedir') return set('packages');
    if (key === 'variant' && own.size > 0 && !own.has(value)) return set([...own][0] ?? '');
    return [text];
  });
  return Buffer.from(`${kept.join('\n')}\n`);
}

/** Variants whose repository is this one, in the file's order; none in what is older than variants. */
function ownVariants(lines: readonly Line[], at: string): Set<string> {
  const all = new Set(lines.flatMap(({ section }) => (/^variant-/.test(section) ? [section.slice(8)] : [])));
  const own = [...all].filter((id) => {
    const repository = wordOf(lines, `variant-${id}`, 'repository') ?? '.';
    return /^(?:\.?\/?)$/.test(repository);
  });
  if (own.length > 0 || all.size === 0) return new Set(own);
  const said = [...all].map((id) => `${id}: ${wordOf(lines, `variant-${id}`, 'repository')}`).join(', ');
  throw invalid(`no variant of it has its packages in this repository (${said})`, at);
}

/** Of a section about a variant or a part of one (`addon-Server-HA`): the whole id. */
function variantOf(section: string): string | undefined {
  return /^(?:variant|addon|optional|layered-product)-(.+)$/.exec(section)?.[1];
}

function releaseOf(lines: readonly Line[]): string {
  const words = (['release', 'product', 'general'] as const).map((section) => {
    const name = wordOf(lines, section, section === 'general' ? 'family' : 'name');
    return name && [name, wordOf(lines, section, 'version') ?? ''].join(' ').trim();
  });
  return words.find((text) => text) ?? '';
}

function wordOf(lines: readonly Line[], section: string, key: string): string | undefined {
  return lines.find((line) => line.section === section && line.key === key)?.value || undefined;
}

function entries(lines: readonly Line[], section: string): { key: string; value: string }[] {
  return lines.flatMap((line) =>
    line.section === section && line.key !== undefined ? [{ key: line.key, value: line.value ?? '' }] : [],
  );
}

/** As Python's configparser reads it, but strictly: nothing twice, no value over several lines. */
function linesOf(bytes: Buffer, at: string): Line[] {
  if (bytes.length > MAX_TREEINFO_BYTES) throw invalid(`it has more than ${MAX_TREEINFO_BYTES} bytes`, at);
  const texts = utf8Text(withoutMark(bytes), at).split(/\r?\n/);
  if (texts.at(-1) === '') texts.pop();
  const known = new Set<string>();
  let section = '';
  return texts.map((text, i): Line => {
    const refuse = (why: string) => invalid(why, `${at}:${i + 1}`);
    if (/^\s*(?:[#;].*)?$/.test(text)) return { text, section };
    if (/^\s/.test(text)) throw refuse('it has a value over several lines');
    const head = /^\[([A-Za-z0-9][A-Za-z0-9._ -]{0,199})\]\s*$/.exec(text)?.[1];
    if (head !== undefined) {
      if (known.has(head)) throw refuse(`it has the section ${head} twice`);
      known.add(head);
      section = head;
      return { text, section };
    }
    const [, key, value] = /^([^=:\s[][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(text) ?? [];
    if (key === undefined || section === '') throw refuse('it is no treeinfo');
    const place = `${section}\n${key.toLowerCase()}`;
    if (known.has(place)) throw refuse(`it has ${key} of ${section} twice`);
    known.add(place);
    return { text, section, key, value: value ?? '' };
  });
}
