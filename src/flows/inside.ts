import { formatChecksum } from '../base/checksum.ts';
import { Fault } from '../base/fault.ts';
import { by } from '../base/order.ts';
import { upstreamId } from '../manifest/ids.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { type InsideChange, insideChanges, newFiles, type Seen } from '../plan/inside.ts';
import type { Change, Plan, RepositoryPlan } from '../plan/types.ts';
import { readChunks } from '../pool/disk.ts';
import { plainFilesOf } from '../repodata/filelists.ts';
import { readPackage } from '../repodata/primary.ts';
import { openRpm } from '../rpm/header.ts';
import { type Inside, type InsideFile, insideOf } from '../rpm/inside.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { knownSigners } from '../upstream/packages.ts';
import type { Mirror } from './context.ts';
import { type State, upstreamOf } from './state.ts';
import { trustOf } from './trust.ts';

/** What takes another build's place, or comes as a new name. */
type Bump = Extract<Change, { kind: 'add' | 'update' | 'rerolled' | 'resigned' }>;

/** A file that came with a build, and whose it may be already. */
interface Newcomer {
  readonly pin: Pin;
  readonly file: InsideFile | undefined;
}

interface Hit {
  readonly path: string;
  readonly newcomer: Newcomer;
  readonly owner: Pin;
}

const OWNERS_KEPT = 64;

/** Files that one other package owns are told up to this many a build; a fork of a package would else fill the report. */
const SHARED_SHOWN = 5;

/**
 * The plan with what is other inside of its packages: from their headers where the mirror has the files, else from what metadata
 * says. A first import has nothing to compare with, and is returned as it is.
 */
export async function lookInside(plan: Plan, state: State, mirror: Mirror): Promise<Plan> {
  if (plan.verb === 'init' || plan.verb === 'fill' || plan.verb === 'rollback') return plan;
  return await new Looking(plan, state, mirror).run();
}

class Looking {
  readonly #plan: Plan;
  readonly #state: State;
  readonly #mirror: Mirror;
  readonly #changes = new Map<string, InsideChange[]>();
  readonly #newcomers = new Map<string, Newcomer[]>();
  readonly #owners = new Map<string, Inside | undefined>();
  /** By what goes and what comes: a hotfix brings the same into several tiers. */
  readonly #looked = new Set<string>();
  #unseen = 0;

  constructor(plan: Plan, state: State, mirror: Mirror) {
    this.#plan = plan;
    this.#state = state;
    this.#mirror = mirror;
  }

  async run(): Promise<Plan> {
    for (const repository of this.#plan.repositories) await this.#repository(repository);
    await this.#findOwners();
    const changes = new Map([...this.#changes].filter(([, list]) => list.length > 0));
    return { ...this.#plan, inside: { changes, unseen: this.#unseen } };
  }

  async #repository({ repository, before, changes }: RepositoryPlan): Promise<void> {
    const bumps = changes.filter(isBump).filter((bump) => {
      const key = `${bump.kind === 'add' ? '' : bump.from.record} ${bump.to.record}`;
      return !this.#looked.has(key) && this.#looked.add(key);
    });
    if (bumps.length === 0 || !before?.pins.length) return; // the first content has nothing to be compared with
    const upstream = upstreamOf(this.#state.policies, upstreamId(repository));
    const trust = await trustOf(this.#state, upstream, 'packages', this.#plan.now);
    const signers = await knownSigners(this.#mirror.root, upstream.id, trust);
    const listed = await this.#listed(
      bumps.flatMap((bump) => (bump.kind === 'add' ? [bump.to] : [bump.from, bump.to])),
    );
    const seen = async (pin: Pin): Promise<Seen | undefined> => {
      const inside = (await this.#packaged(pin)) ?? listed.get(pin.record);
      return (
        inside && { evr: pin.nevra.evr, inside, signers: signers.get(formatChecksum(pin.checksum)) ?? [] }
      );
    };
    for (const bump of bumps) {
      const to = await seen(bump.to);
      const from = bump.kind === 'add' ? undefined : await seen(bump.from);
      const lost = !to || (bump.kind !== 'add' && !from); // after a loss of the catalog, which a sync is to mend
      if (lost || !to.inside.scripts) this.#unseen += 1;
      if (lost) continue;
      this.#changes.set(formatNevra(bump.to.nevra), insideChanges(from, to));
      for (const path of newFiles(from?.inside, to.inside)) {
        const newcomer = { pin: bump.to, file: to.inside.files.get(path) };
        const others = this.#newcomers.get(path);
        if (others) others.push(newcomer);
        else this.#newcomers.set(path, [newcomer]);
      }
    }
  }

  /** From the package itself, where the pool has it; a file that cannot be read is for `verify` to complain of. */
  async #packaged(pin: Pin): Promise<Inside | undefined> {
    const path = this.#mirror.pool.path(pin.checksum);
    if (!(await this.#mirror.pool.has(pin.checksum))) return undefined;
    try {
      const rpm = await openRpm(readChunks(path), path);
      await rpm.close();
      return insideOf(rpm.header, path);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'RPM_INVALID') throw error;
      return undefined;
    }
  }

  /** What metadata says of builds whose packages are not here, by record. */
  async #listed(pins: readonly Pin[]): Promise<Map<string, Inside>> {
    const absent = new Set<string>();
    for (const pin of pins) if (!(await this.#mirror.pool.has(pin.checksum))) absent.add(pin.record);
    const { catalog } = this.#mirror;
    const lost = await catalog.hasRecords(absent);
    const there = [...absent].filter((record) => !lost.has(record));
    const listed = new Map<string, { vendor: string; license: string; files: Map<string, undefined> }>();
    for (const [record, primary] of await catalog.getPrimaries(there)) {
      const { vendor = '', license = '' } = readPackage(primary, record);
      listed.set(record, { vendor, license, files: new Map() });
    }
    for await (const { id, element } of catalog.scanFilelists(there)) {
      for (const path of plainFilesOf(element)) listed.get(id)?.files.set(path, undefined);
    }
    return listed;
  }

  /** Of all other packages that the client set has after the plan: who owns a file that is new. */
  async #findOwners(): Promise<void> {
    if (this.#newcomers.size === 0) return;
    const pins = new Map<string, Pin>();
    for (const { after } of this.#plan.repositories) for (const pin of after.pins) pins.set(pin.record, pin);
    const hits: Hit[] = [];
    for await (const { id, element } of this.#mirror.catalog.scanFilelists([...pins.keys()])) {
      const owner = pins.get(id) as Pin;
      for (const path of plainFilesOf(element)) {
        for (const newcomer of this.#newcomers.get(path) ?? []) {
          if (newcomer.pin.nevra.name !== owner.nevra.name) hits.push({ path, newcomer, owner });
        }
      }
    }
    const inOrder = by((hit: Hit) => `${hit.path} ${formatNevra(hit.owner.nevra)}`); // packs have another one on each mirror
    for (const hit of hits.sort(inOrder)) await this.#shared(hit);
  }

  /** rpm lets two packages own one file where both bring the same. */
  async #shared({ path, newcomer: { pin, file }, owner }: Hit): Promise<void> {
    const changes = this.#changes.get(formatNevra(pin.nevra)) ?? [];
    const said = changes.filter((change) => change.kind === 'shared');
    if (said.length >= SHARED_SHOWN || said.some((change) => change.path === path)) return;
    if (file) {
      const inside = await this.#owner(owner);
      const other = inside?.files.get(path);
      if (inside && (!other || sameFile(file, other))) return; // not its own, whatever metadata says; or the same
    }
    changes.push({ kind: 'shared', path, other: formatNevra(owner.nevra) });
  }

  /** Asked for one path after the other. */
  async #owner(pin: Pin): Promise<Inside | undefined> {
    if (this.#owners.has(pin.record)) return this.#owners.get(pin.record);
    if (this.#owners.size >= OWNERS_KEPT) this.#owners.clear();
    const inside = await this.#packaged(pin);
    this.#owners.set(pin.record, inside);
    return inside;
  }
}

function isBump(change: Change): change is Bump {
  return ['add', 'update', 'rerolled', 'resigned'].includes(change.kind);
}

function sameFile(a: InsideFile, b: InsideFile): boolean {
  return (['mode', 'user', 'group', 'capabilities', 'content'] as const).every((key) => a[key] === b[key]);
}
