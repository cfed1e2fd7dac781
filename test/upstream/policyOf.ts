import type { UpstreamPolicy } from '../../src/manifest/policy.ts';

/** A policy with nothing special in it. */
export function policyOf(
  baseurl: string | readonly string[],
  change: Partial<UpstreamPolicy> = {},
): UpstreamPolicy {
  return {
    id: 'test-9-x86_64-main',
    path: 'policies/upstreams/test-9-x86_64-main.yaml',
    name: { os: 'test', version: '9', arch: 'x86_64', repo: 'main' },
    baseurl: typeof baseurl === 'string' ? [baseurl] : baseurl,
    keys: [],
    packages: { signatures: 'none', reason: 'a test', allow: [] },
    metadata: { signatures: 'none', reason: 'a test', allow: [] },
    keep: 3,
    content: 'full',
    absent: new Map(),
    weakChecksums: [],
    arches: [],
    forget: 90 * 86_400_000,
    alone: false,
    parentHref: false,
    kickstart: false,
    ...change,
  };
}
