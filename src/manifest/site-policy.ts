import { readKernels } from './errata-policy.ts';
import type { ForgePlace, SitePolicy } from './policy.ts';
import { durationAt, type KeyData, keyOf, type PolicyFile, urlAt } from './policy-reading.ts';
import schema from './schemas/site.schema.json' with { type: 'json' };
import { compileSchema } from './validate.ts';

/** dnf caches metadata for 48 hours: who read it then can still finish (design, 6). */
const GRACE = 72 * 3_600_000;
const RETAIN = 400 * 86_400_000;

/** What holds where there is no `policies/site.yaml`. */
export const DEFAULT_SITE: SitePolicy = {
  grace: GRACE,
  retain: RETAIN,
  compression: 'zstd',
  forge: 'local',
  signing: [],
  mainSignedBy: [],
  owners: [],
  kernels: new Map(),
};

export interface SiteData {
  readonly mirrorUrl?: string;
  readonly catalogUrl?: string;
  readonly grace?: string;
  readonly retain?: string;
  readonly compression?: SitePolicy['compression'];
  readonly forge?: 'local' | { readonly github: string; readonly api?: string };
  readonly signing?: readonly KeyData[];
  readonly mainSignedBy?: readonly KeyData[];
  readonly owners?: readonly string[];
  readonly kernels?: Readonly<Record<string, string>>;
}

export const validSite = compileSchema<SiteData>(schema);

export function readSitePolicy(data: SiteData, file: PolicyFile): SitePolicy {
  for (const key of ['mirrorUrl', 'catalogUrl'] as const) {
    const url = data[key];
    if (url !== undefined) urlAt(file, [key], url, ['https', 'http', 'file']);
  }
  return {
    ...(data.mirrorUrl === undefined ? {} : { mirrorUrl: data.mirrorUrl }),
    ...(data.catalogUrl === undefined ? {} : { catalogUrl: data.catalogUrl }),
    grace: durationAt(file, ['grace'], data.grace, GRACE),
    retain: durationAt(file, ['retain'], data.retain, RETAIN),
    compression: data.compression ?? DEFAULT_SITE.compression,
    forge: readForge(data.forge, file),
    signing: (data.signing ?? []).map(keyOf),
    mainSignedBy: (data.mainSignedBy ?? []).map(keyOf),
    owners: data.owners ?? [],
    kernels: readKernels(data.kernels, file),
  };
}

/** GitHub's own; an Enterprise server has one of its own (`https://HOST/api/v3`). */
const PUBLIC_API = 'https://api.github.com';

function readForge(forge: SiteData['forge'], file: PolicyFile): ForgePlace {
  if (forge === undefined || forge === 'local') return 'local';
  const api = (forge.api ?? PUBLIC_API).replace(/\/+$/, '');
  urlAt(file, ['forge', 'api'], api, ['https', 'http']);
  return { github: forge.github, api };
}
