import { type AuthData, authOf, refuseAuth, secret } from './auth-policy.ts';
import { parseUpstreamId } from './ids.ts';
import type { SignatureRule, UpstreamPolicy } from './policy.ts';
import {
  attempt,
  durationAt,
  type KeyData,
  keyOf,
  type PolicyFile,
  refuse,
  urlAt,
} from './policy-reading.ts';
import schema from './schemas/upstream.schema.json' with { type: 'json' };
import { compileSchema } from './validate.ts';

/** How long a withdrawn name stays in live (design, 3). */
const FORGET = 90 * 86_400_000;
const KEEP = '3';

interface SignatureData {
  readonly signatures: 'none' | 'required';
  readonly reason?: string;
  readonly allow?: SignatureRule['allow'];
}

export interface UpstreamData {
  readonly id: string;
  readonly source?: 'added';
  readonly baseurl?: readonly string[];
  readonly mirrorlist?: string;
  readonly metalink?: string;
  readonly keys?: readonly KeyData[];
  readonly packages: SignatureData;
  readonly metadata: SignatureData & { severity?: 'trusted' };
  readonly keep?: string;
  readonly content?: 'full' | 'thin';
  readonly absent?: Readonly<Record<string, string>>;
  readonly weakChecksums?: readonly ('md5' | 'sha1')[];
  readonly arches?: readonly string[];
  readonly forget?: string;
  readonly maxAge?: string;
  readonly alone?: string;
  readonly parentHref?: string;
  readonly kickstart?: string;
  readonly client?: { cert: string; key: string; ca?: string };
  readonly auth?: AuthData;
}

export const validUpstream = compileSchema<UpstreamData>(schema);

/** The policy of `policies/upstreams/<id>.yaml`; undefined where its id cannot be read. */
export function readUpstreamPolicy(data: UpstreamData, file: PolicyFile): UpstreamPolicy | undefined {
  const name = attempt(file, ['id'], () => parseUpstreamId(data.id));
  if (!name) return undefined;
  if (file.path !== `policies/upstreams/${data.id}.yaml`) {
    refuse(file, ['id'], `must be the file's name, not ${data.id}`, 'Correct the id, or rename the file.');
  }
  (data.baseurl ?? []).forEach((url, i) => {
    urlAt(file, ['baseurl', i], url, ['https', 'http', 'rsync', 'file']);
  });
  for (const key of ['mirrorlist', 'metalink'] as const) {
    if (data[key] !== undefined) urlAt(file, [key], data[key], ['https', 'http'], { query: true });
  }
  if (data.mirrorlist !== undefined && data.metalink !== undefined) {
    refuse(
      file,
      ['mirrorlist'],
      'stands beside metalink',
      'Keep metalink: it says which repomd.xml is right.',
      'key',
    );
  }
  if (data.content === 'thin' && !data.baseurl && data.source === undefined) {
    const hint = 'Name one base URL: published metadata has to say where packages are.';
    refuse(file, ['content'], 'thin needs a fixed baseurl', hint);
  }
  if (data.source === 'added') refuseElsewhere(file, data);
  else if (!data.baseurl && !data.mirrorlist && !data.metalink) {
    const hint = 'Add baseurl: a list of URLs; or source: added, for builds of your own.';
    refuse(file, [], 'lacks the key "baseurl"', hint);
  }
  const rsync = (data.baseurl ?? []).findIndex((url) => url.startsWith('rsync:'));
  if (data.content === 'thin' && rsync >= 0) {
    const hint = 'Use content: full, or an https URL.';
    refuse(file, ['baseurl', rsync], 'is rsync, which clients of thin content do not speak', hint);
  }
  if (data.kickstart === 'true') refuseTree(file, data);
  if (data.auth) refuseAuth(file, data);
  if (data.packages.signatures === 'required' && data.content === 'thin') {
    refuse(
      file,
      ['packages', 'signatures'],
      'packages of a thin upstream are never fetched, so nobody can verify them here',
      'Use `none` with a reason, or content: full.',
    );
  }
  return {
    id: data.id,
    path: file.path,
    name,
    ...(data.source === undefined ? {} : { source: data.source }),
    baseurl: data.baseurl ?? [],
    ...(data.mirrorlist === undefined ? {} : { mirrorlist: data.mirrorlist }),
    ...(data.metalink === undefined ? {} : { metalink: data.metalink }),
    keys: (data.keys ?? []).map(keyOf),
    packages: signatureRule(file, 'packages', data),
    metadata: {
      ...signatureRule(file, 'metadata', data),
      ...(data.metadata.severity ? { severity: data.metadata.severity } : {}),
    },
    keep: Number(data.keep ?? KEEP),
    content: data.content ?? 'full',
    ...(data.maxAge === undefined ? {} : { maxAge: durationAt(file, ['maxAge'], data.maxAge, 0) }),
    absent: new Map(Object.entries(data.absent ?? {})),
    weakChecksums: data.weakChecksums ?? [],
    arches: data.arches ?? [],
    forget: durationAt(file, ['forget'], data.forget, FORGET),
    alone: data.alone === 'true',
    parentHref: data.parentHref === 'true',
    kickstart: data.kickstart === 'true',
    ...(data.client ? { client: clientOf(data.client) } : {}),
    ...(data.auth ? { auth: authOf(data.auth) } : {}),
  };
}

/** Nothing but the server vouches for a `.treeinfo`: no mirror of a list is asked for one. */
function refuseTree(file: PolicyFile, data: UpstreamData): void {
  if (data.content === 'thin') {
    const hint = 'Use content: full, or leave kickstart out.';
    refuse(file, ['kickstart'], 'stands beside content: thin, and images are mirrored whole', hint);
  }
  if (data.baseurl || data.source === 'added') return; // of what was added, the next rule speaks
  const hint =
    "Add baseurl with the vendor's own URL: nobody signs a .treeinfo, so mirrors are not asked for it.";
  refuse(file, ['kickstart'], 'needs a baseurl', hint);
}

/** What says where a repository is fetched from has no meaning where nothing is fetched. */
function refuseElsewhere(file: PolicyFile, data: UpstreamData): void {
  for (const key of [
    'baseurl',
    'mirrorlist',
    'metalink',
    'client',
    'auth',
    'parentHref',
    'kickstart',
  ] as const) {
    if (data[key] === undefined) continue;
    refuse(file, [key], 'stands beside source: added', 'Remove one of the two.', 'key');
  }
  if (data.content === 'thin') {
    refuse(file, ['content'], 'builds that were added are nowhere else', 'Remove it: full is the default.');
  }
  if (data.metadata.signatures === 'required') {
    const hint = 'Use `none` with a reason; packages.signatures asks for your key.';
    refuse(file, ['metadata', 'signatures'], 'the metadata of what was added is made by Sluice', hint);
  }
}

/** Required needs keys, none a reason: whoever asks for nothing says so. */
function signatureRule(file: PolicyFile, key: 'packages' | 'metadata', data: UpstreamData): SignatureRule {
  const { signatures, reason, allow } = data[key];
  if (signatures === 'none' && reason === undefined) {
    refuse(file, [key], 'lacks the key "reason"', 'Say why signatures are not asked for.', 'key');
  }
  if (signatures === 'none' && allow !== undefined) {
    refuse(file, [key, 'allow'], 'says nothing where no signature is asked for', 'Remove it.', 'key');
  }
  if (signatures === 'required' && (data.keys ?? []).length === 0) {
    const hint = 'Add keys: a list of file (below policies/) and fingerprint.';
    refuse(file, [key, 'signatures'], 'signatures are required, but no key is named', hint);
  }
  return { signatures, ...(reason === undefined ? {} : { reason }), allow: allow ?? [] };
}

function clientOf(client: NonNullable<UpstreamData['client']>): NonNullable<UpstreamPolicy['client']> {
  return {
    cert: secret(client.cert),
    key: secret(client.key),
    ...(client.ca === undefined ? {} : { ca: secret(client.ca) }),
  };
}
