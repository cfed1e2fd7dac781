import { Fault } from '../base/fault.ts';
import { parseUpstreamId } from './ids.ts';
import type { SecretFile, SignatureRule, UpstreamPolicy } from './policy.ts';
import { attempt, durationAt, type PolicyFile, refuse, urlAt } from './policy-reading.ts';
import schema from './schemas/upstream.schema.json' with { type: 'json' };
import { compileSchema } from './validate.ts';
import type { Path } from './yaml.ts';

/** How long a withdrawn name stays in live (design, 3). */
const FORGET = 90 * 86_400_000;
const KEEP = '3';

interface SignatureData {
  readonly signatures: 'none' | 'required';
  readonly reason?: string;
}

export interface UpstreamData {
  readonly id: string;
  readonly baseurl?: readonly string[];
  readonly mirrorlist?: string;
  readonly metalink?: string;
  readonly keys?: readonly { file: string; fingerprint: string }[];
  readonly packages: SignatureData;
  readonly metadata: SignatureData & { severity?: 'trusted' };
  readonly keep?: string;
  readonly content?: 'full' | 'thin';
  readonly absent?: Readonly<Record<string, string>>;
  readonly weakChecksums?: readonly ('md5' | 'sha1')[];
  readonly arches?: readonly string[];
  readonly forget?: string;
  readonly alone?: string;
  readonly parentHref?: string;
  readonly client?: { cert: string; key: string; ca?: string };
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
    urlAt(file, ['baseurl', i], url, ['https', 'http', 'file']);
  });
  for (const key of ['mirrorlist', 'metalink'] as const) {
    if (data[key] !== undefined)
      notSupported(file, [key], `${key} is not supported yet`, 'Use baseurl, with several URLs.');
  }
  if (!data.baseurl && !data.mirrorlist && !data.metalink) {
    refuse(file, [], 'lacks the key "baseurl"', 'Add baseurl: a list of URLs.');
  }
  return {
    id: data.id,
    path: file.path,
    name,
    baseurl: data.baseurl ?? [],
    ...(data.mirrorlist === undefined ? {} : { mirrorlist: data.mirrorlist }),
    ...(data.metalink === undefined ? {} : { metalink: data.metalink }),
    keys: (data.keys ?? []).map((key) => ({ file: key.file, fingerprint: key.fingerprint.toUpperCase() })),
    packages: signatureRule(file, 'packages', data.packages),
    metadata: {
      ...signatureRule(file, 'metadata', data.metadata),
      ...(data.metadata.severity ? { severity: data.metadata.severity } : {}),
    },
    keep: Number(data.keep ?? KEEP),
    content: data.content ?? 'full',
    absent: new Map(Object.entries(data.absent ?? {})),
    weakChecksums: data.weakChecksums ?? [],
    arches: data.arches ?? [],
    forget: durationAt(file, ['forget'], data.forget, FORGET),
    alone: data.alone === 'true',
    parentHref: data.parentHref === 'true',
    ...(data.client ? { client: clientOf(data.client) } : {}),
  };
}

function signatureRule(file: PolicyFile, key: 'packages' | 'metadata', rule: SignatureData): SignatureRule {
  if (rule.signatures === 'required') {
    const at: Path = [key, 'signatures'];
    notSupported(file, at, `${key}.signatures: required is not supported yet`, 'Use `none` with a reason.');
  } else if (rule.reason === undefined) {
    refuse(file, [key], 'lacks the key "reason"', 'Say why signatures are not asked for.', 'key');
  }
  return { signatures: rule.signatures, ...(rule.reason === undefined ? {} : { reason: rule.reason }) };
}

function notSupported(file: PolicyFile, key: Path, message: string, hint: string): void {
  file.complain(new Fault('NOT_SUPPORTED', message, { hint, at: file.doc.at(key) }));
}

function clientOf(client: NonNullable<UpstreamData['client']>): NonNullable<UpstreamPolicy['client']> {
  return {
    cert: secretFile(client.cert),
    key: secretFile(client.key),
    ...(client.ca === undefined ? {} : { ca: secretFile(client.ca) }),
  };
}

function secretFile(text: string): SecretFile {
  return text.startsWith('$') ? { kind: 'env', variable: text.slice(1) } : { kind: 'path', path: text };
}
