import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fault } from '../base/fault.ts';
import type { SitePolicy } from '../manifest/policy.ts';
import { type Catalog, openCatalog } from '../pool/catalog.ts';
import { bytes, count } from '../report/words.ts';
import { TIMING, type Timing } from '../upstream/attempt.ts';
import { baseUrl } from '../upstream/url.ts';
import type { World } from './context.ts';
import { DocumentCache } from './document-cache.ts';
import { HostedCatalog, NotServed } from './hosted-catalog.ts';
import { Served } from './served.ts';
import { ServedCatalog } from './served-catalog.ts';
import type { State } from './state.ts';

/** Where a catalog is served. */
interface Places {
  /** Asked in turn. */
  readonly roots: readonly URL[];
  /** `public/`, where published trees are. */
  readonly mirror: URL | undefined;
  /** By a policy; else it is only where the nginx example puts it. */
  readonly isNamed: boolean;
}

function placesOf({ catalogUrl, mirrorUrl }: SitePolicy): Places | undefined {
  const mirror = mirrorUrl === undefined ? undefined : baseUrl(mirrorUrl, 'mirrorUrl');
  const isWeb = mirror?.protocol === 'https:' || mirror?.protocol === 'http:'; // a folder is there for its own host only
  const beside = mirror && isWeb ? [new URL('catalog/', mirror)] : [];
  const roots = catalogUrl === undefined ? beside : [baseUrl(catalogUrl, 'catalogUrl')];
  if (roots.length === 0) return undefined;
  return { roots, mirror: isWeb ? mirror : undefined, isNamed: catalogUrl !== undefined };
}

/** Nobody promised that a catalog is there. */
const IMPATIENT: Partial<Timing> = { attempts: 2, connect: 5_000 };

/** A question to a catalog, and its answer; or why it was not asked. */
export type Asked<T> =
  | { readonly kind: 'asked'; readonly answer: T; readonly hosted: boolean }
  /** `fault`: a policy says that it can be asked, and it could not be. */
  | { readonly kind: 'not'; readonly why: string; readonly fault?: Fault };

export interface HostedOptions {
  readonly timing?: Partial<Timing> | undefined;
}

/**
 * Asks the mirror's catalog, or on a host that has none the one that `base` says is served: a head must not choose whom its own
 * check asks. `states`: what else the question is about; only what git names in them is fetched.
 */
export async function askCatalog<T>(
  world: World,
  base: State,
  states: readonly State[],
  work: (catalog: Catalog, hosted: boolean) => Promise<T>,
  o: HostedOptions = {},
): Promise<Asked<T>> {
  if (world.mirrorDir !== undefined) {
    return { kind: 'asked', answer: await work(openCatalog(world.mirrorDir), false), hosted: false };
  }
  const places = placesOf(base.policies.site);
  if (!places) return { kind: 'not', why: 'no mirror is named (--mirror), and main has no catalogUrl' };
  const folder = await mkdtemp(join(tmpdir(), 'sluice-catalog-'));
  const { progress, now, cacheDir } = world;
  const cache = cacheDir === undefined ? undefined : new DocumentCache(cacheDir, { now, progress });
  try {
    const timing = places.isNamed ? { ...TIMING, ...o.timing } : { ...IMPATIENT, ...o.timing };
    const bases = [...places.roots, ...(places.mirror ? [places.mirror] : [])];
    await using served = await Served.open(places.mirror ?? (places.roots[0] as URL), { bases, timing });
    const from = new ServedCatalog(folder, served, places.roots, { cache, holds: true });
    const hasTrees = places.mirror !== undefined;
    const hosted = new HostedCatalog({ served, from, cache, hasTrees, states: [base, ...states] });
    const answer = await work(hosted.catalog, true);
    for (const line of tookWords(from, hosted, places)) progress.say(line);
    await cache?.sweep();
    return { kind: 'asked', answer, hosted: true };
  } catch (cause) {
    if (!(cause instanceof NotServed)) throw cause;
    return notAsked(cause.fault, places);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function tookWords({ taken }: ServedCatalog, { short }: HostedCatalog, { roots }: Places): string[] {
  const took = `took ${count(taken.documents, 'document')}, ${bytes(taken.bytes)}, from ${roots[0]?.href}`;
  const digits = `${count(short, 'build')} that no upstream lists any more: their metadata was proved by 48 bits of its digest`;
  return [...(taken.documents > 0 ? [took] : []), ...(short > 0 ? [digits] : [])];
}

function notAsked({ code, message, at, hint }: Fault, { isNamed }: Places): Asked<never> {
  const where = at === undefined || message.includes(at) ? message : `${message} (${at})`;
  if (!isNamed)
    return { kind: 'not', why: `no mirror is named (--mirror), main has no catalogUrl, and ${where}` };
  const fault = new Fault(code, `the catalog that policies/site.yaml names was not asked: ${where}`, {
    hint,
    at: 'policies/site.yaml',
  });
  return { kind: 'not', why: where, fault };
}
