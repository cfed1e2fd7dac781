import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { lockPath, type RepositoryName, upstreamId } from '../manifest/ids.ts';
import { readLock } from '../manifest/lock.ts';
import { place } from '../manifest/place.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { inParallel } from '../pool/parallel.ts';
import { trustPoolFile } from '../publish/packages.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { Mirror, World } from './context.ts';
import { fetchLost, mirrorsNow } from './refetch.ts';
import { liveName, type State } from './state.ts';
import { treeinfoOf } from './trees.ts';
import { trustOf } from './trust.ts';

/** Files whose facts are read at once. */
const AT_ONCE = 8;

/** A file of the pool that a state needs, and where the state says so. */
interface Needed {
  readonly pin: Pick<Pin, 'checksum'> & { readonly size?: number };
  /** A build, or a file of an installation tree. */
  readonly what: string;
  readonly repository: RepositoryName;
}

/** Whether the mirror has what merges pin. One run's: what was found for one pull request is known for the next. */
export class BuildsHere {
  readonly #world: World;
  readonly #mirror: Mirror;
  /** By checksum and size: undefined where the file is as it must be. */
  readonly #known = new Map<string, Fault | undefined>();
  /** By upstream and checksum: why a build could not be fetched. */
  readonly #unfetched = new Map<string, string>();

  constructor(world: World, mirror: Mirror) {
    this.#world = world;
    this.#mirror = mirror;
  }

  /** Fetches what the pool lacks, from where main says; what cannot be had is found by `faults`. */
  async fetch(main: State, merged: State, repositories: readonly RepositoryName[]): Promise<void> {
    const { pool } = this.#mirror;
    const lacking = new Map<string, Set<string>>();
    for (const name of repositories) {
      if (isThin(merged, name)) continue;
      const id = upstreamId(name);
      const pins = merged.snapshot(name)?.pins ?? [];
      const missing = await pool.missing(pins.map(({ checksum }) => checksum));
      const fresh = [...missing].filter((sum) => !this.#unfetched.has(`${id} ${sum}`));
      if (fresh.length > 0) lacking.set(id, new Set([...(lacking.get(id) ?? []), ...fresh]));
    }
    for (const [id, missing] of lacking) {
      const why = await this.#fetch(main, id, missing);
      for (const sum of missing) this.#unfetched.set(`${id} ${sum}`, why.get(sum) ?? 'it was not fetched');
    }
  }

  /** Why each of these could not be had; nothing of what could. */
  async #fetch(main: State, id: string, missing: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    const upstream = main.policies.upstreams.get(id); // a pull request must not choose where this host asks
    const accepted = upstream && main.snapshot(liveName(upstream))?.upstream;
    const all = (why: string) => new Map([...missing].map((sum) => [sum, why]));
    if (!upstream || !accepted) return all(`main has no upstream ${id}`);
    try {
      const trust = await trustOf(main, upstream, 'packages', this.#world.now);
      const mirrors = await mirrorsNow(this.#world, this.#mirror.root, upstream);
      const o = { accepted, missing, trust, mirrors };
      const unlisted = await fetchLost(this.#world, this.#mirror, upstream, o);
      return new Map([...unlisted].map((sum) => [sum, 'upstream no longer lists it']));
    } catch (error) {
      if (!(error instanceof Fault) || error.code === 'DISK') throw error;
      return all(`it could not be fetched: ${error.message}`);
    }
  }

  /** What of these is not on the disk as it must be, as publishing would find it; each with its line. How many were looked at. */
  async faults(
    merged: State,
    repositories: readonly RepositoryName[],
  ): Promise<{ readonly faults: Fault[]; readonly builds: number }> {
    const needed: Needed[] = [];
    for (const name of repositories) needed.push(...(await this.#needs(merged, name)));
    const found: { readonly one: Needed; readonly fault: Fault }[] = [];
    await inParallel(needed, AT_ONCE, async (one) => {
      const fault = await this.#judge(one);
      if (fault) found.push({ one, fault });
    });
    const locks = new Map(
      [...new Set(found.map(({ one }) => lockPath(one.repository)))].map((p) => [p, lockAt(merged, p)]),
    );
    const faults = found.map(({ one, fault }) => this.#told(one, fault, locks.get(lockPath(one.repository))));
    const builds = new Set(needed.map(({ pin }) => formatChecksum(pin.checksum))).size;
    return { faults: faults.sort((a, b) => ((a.at ?? '') < (b.at ?? '') ? -1 : 1)), builds };
  }

  async #needs(merged: State, repository: RepositoryName): Promise<Needed[]> {
    const snapshot = merged.snapshot(repository);
    if (!snapshot || isThin(merged, repository)) return [];
    const needed: Needed[] = snapshot.pins.map((pin) => ({ pin, what: formatNevra(pin.nevra), repository }));
    const { kickstart } = snapshot;
    if (!kickstart || !(await this.#mirror.catalog.hasDocument(kickstart))) return needed; // publishing says it
    const { files } = await treeinfoOf(this.#mirror.catalog, kickstart);
    return [...needed, ...files.map(({ path, checksum }) => ({ pin: { checksum }, what: path, repository }))];
  }

  async #judge({ pin, what }: Needed): Promise<Fault | undefined> {
    const key = `${formatChecksum(pin.checksum)} ${pin.size ?? ''}`;
    if (this.#known.has(key)) return this.#known.get(key);
    let fault: Fault | undefined;
    try {
      await trustPoolFile(this.#mirror.pool, { ...pin, at: what });
    } catch (error) {
      if (!(error instanceof Fault) || error.code === 'DISK') throw error;
      fault = error;
    }
    if (fault?.code !== 'POOL_MISSING') this.#known.set(key, fault); // it may be fetched for another one
    return fault;
  }

  #told(
    { pin, what, repository }: Needed,
    { code, message, hint }: Fault,
    lock: LockLines | undefined,
  ): Fault {
    const at = lock?.(what) ?? lockPath(repository);
    if (code !== 'POOL_MISSING') return new Fault(code, `${what}: ${message}`, { hint, at });
    const why = this.#unfetched.get(`${upstreamId(repository)} ${formatChecksum(pin.checksum)}`);
    return new Fault(code, `the mirror does not have ${what}${why === undefined ? '' : `, and ${why}`}`, {
      hint: 'Take it out of the pull request, or bring its file back: sluice sync --write, or a backup of the pool.',
      at,
    });
  }
}

/** Where a lock names a build. */
type LockLines = (build: string) => string | undefined;

function lockAt(merged: State, path: string): LockLines {
  const text = merged.files.get(path) ?? '';
  const lines = readLock(text, path);
  return (build) => {
    const line = lines.get(build);
    return line && place(path, text, line.offset);
  };
}

function isThin(state: State, name: RepositoryName): boolean {
  return state.policies.upstreams.get(upstreamId(name))?.content === 'thin';
}
