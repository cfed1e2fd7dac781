import { type Checksum, type ChecksumType, checksum } from '../base/checksum.ts';
import { invalid, utf8Text, XmlReader } from './xml.ts';

/** What a metalink says of a repository's repomd.xml: which one it is, and who has it. */
export interface Metalink {
  /** Of the newest repomd.xml: its digests, sha256 or stronger, and size. */
  readonly newest: { readonly checksums: readonly Checksum[]; readonly size: number | undefined };
  /** The same of those before it (MirrorManager's `alternates`), which mirrors that are behind still have. */
  readonly earlier: readonly (readonly Checksum[])[];
  /** URLs of repomd.xml, most preferred first. */
  readonly urls: readonly string[];
}

const MAX_URLS = 2_000;
const STRONG: Readonly<Record<string, ChecksumType>> = {
  sha256: 'sha256',
  sha384: 'sha384',
  sha512: 'sha512',
};

/** Metalink 3.0 (metalinker.org) with MirrorManager's mm0 elements, as librepo's metalink.c reads it. METADATA_INVALID. */
export function readMetalink(bytes: Buffer, at: string): Metalink {
  const reader = new XmlReader(utf8Text(bytes, at), at);
  const path: string[] = [];
  const newest: { checksums: Checksum[]; size: number | undefined } = { checksums: [], size: undefined };
  const earlier: Checksum[][] = [];
  const urls: { url: string; preference: number }[] = [];
  let files = 0;
  let text = '';
  let wanted = false;
  let attributes: { type: string | undefined; preference: string | undefined } = {
    type: undefined,
    preference: undefined,
  };
  for (let token = reader.next(); token !== 'end'; token = reader.next()) {
    if (token === 'text') {
      text += reader.characterData;
      continue;
    }
    const local = reader.name.replace(/^\{[^}]*\}/, '');
    if (token === 'open') {
      if (path.length === 0 && local !== 'metalink') throw invalid(`it is no metalink, but <${local}>`, at);
      path.push(local);
      text = '';
      attributes = { type: reader.attribute('type'), preference: reader.attribute('preference') };
      if (local === 'file') {
        wanted = reader.attribute('name') === 'repomd.xml';
        if (wanted) files += 1;
      }
      if (local === 'alternate' && wanted) earlier.push([]);
      continue;
    }
    if (wanted) {
      const type = STRONG[attributes.type?.toLowerCase() ?? ''];
      const isEarlier = path.includes('alternates');
      if (local === 'hash' && type) {
        const sum = checksum(type, text.trim().toLowerCase(), at);
        (isEarlier ? earlier.at(-1) : newest.checksums)?.push(sum);
      } else if (local === 'size' && !isEarlier) {
        if (!/^\d{1,15}$/.test(text.trim())) throw invalid('its size is no number', at);
        newest.size = Number(text);
      } else if (local === 'url') {
        if (urls.length === MAX_URLS) throw invalid(`it has more than ${MAX_URLS} URLs`, at);
        const preference = Number(attributes.preference ?? 0);
        urls.push({ url: text.trim(), preference: Number.isFinite(preference) ? preference : 0 });
      }
    }
    path.pop();
    text = '';
  }
  if (files !== 1)
    throw invalid(files === 0 ? 'it says nothing of repomd.xml' : 'it has two files repomd.xml', at);
  if (newest.checksums.length === 0)
    throw invalid('it has no checksum of repomd.xml that is sha256 or stronger', at);
  return { newest, earlier, urls: urls.sort((a, b) => b.preference - a.preference).map(({ url }) => url) };
}
