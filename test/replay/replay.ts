import { promote } from '../../src/flows/promote.ts';
import { sync } from '../../src/flows/sync.ts';
import { serveUpstream } from '../flows/corpus/upstream.ts';
import { Reviewer } from './reviewer.ts';
import { replaySite, type Site } from './site.ts';
import type { History, Version } from './versions.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;

export interface Measured {
  readonly days: number;
  readonly pulls: number;
  /** Heads that the bot pushed, and of those the rewrites of what was open already. */
  readonly pushes: number;
  readonly rewrites: number;
  readonly mostRewritesInAnHour: number;
  readonly approvals: number;
  readonly lost: readonly string[];
  readonly merges: number;
  readonly red: readonly string[];
  readonly longestDays: number;
  readonly quiet: number;
  readonly writesWithoutNews: readonly string[];
  readonly mostRequestsQuiet: number;
  readonly mostRequestsBusy: number;
  readonly stillOpen: number;
  readonly faults: readonly string[];
}

const AT_REST = 14 * DAY;
/** So long before the first day its version was imported, and is in every tier. */
const SETTLED = 28;

const WITHOUT_NEWS: ReadonlySet<string> = new Set(['unchanged', 'frozen', 'declined']);

/** A tier that follows at once, one that waits, and one that moves on Tuesdays. */
const TIERS = {
  unstable: { from: 'live' },
  stable: { from: 'unstable', wait: { inParent: '3d' } },
  production: { from: 'stable', window: { days: ['tue'], from: '04:00', to: '12:00', zone: 'UTC' } },
};

/** Day by day from the first version to some days after the last: four syncs where upstream moved, a promotion, the reviewer's day. */
export async function replay(
  { versions, policy }: History,
  o: { readonly after: number },
): Promise<Measured> {
  const upstream = await serveUpstream();
  const first = Math.floor((versions[0] as Version).at.getTime() / DAY) * DAY;
  const days = Math.ceil(((versions.at(-1) as Version).at.getTime() - first) / DAY) + o.after;
  const site = await replaySite({
    policy,
    tiers: TIERS,
    start: new Date(first - SETTLED * DAY),
    baseurl: upstream.url,
  });
  upstream.show((versions[0] as Version).folder);
  const run = new Run(site, await Reviewer.of(site));
  await run.begin();
  let replayed = 0;
  for (let day = 0; day < days; day += 1) {
    const until = versions.find(({ at }) => at.getTime() >= first + day * DAY)?.at.getTime();
    if (until !== undefined && until - first > (day + 1) * DAY && run.isAtRest(first + day * DAY)) continue;
    replayed += 1;
    for (const hour of [3, 9, 15, 21]) {
      site.now = new Date(first + day * DAY + hour * HOUR + 17 * 60_000); // as templates/workflows.ts has it
      const shown = versions.findLast(({ at }) => at <= site.now);
      if (!shown) continue;
      const isNew = upstream.show(shown.folder);
      if (isNew || hour === 3) await run.bot('sync', isNew);
      if (hour !== 3) continue;
      site.now = new Date(first + day * DAY + 5 * HOUR + 43 * 60_000);
      await run.bot('promote', false);
      site.now = new Date(first + day * DAY + 8 * HOUR);
      await run.reviewer.work();
    }
  }
  return run.measured(replayed);
}

class Run {
  readonly reviewer: Reviewer;
  readonly #site: Site;
  readonly #writes: string[] = [];
  readonly #faults: string[] = [];
  #quiet = 0;
  #mostQuiet = 0;
  #mostBusy = 0;
  /** Of the time before the first day. */
  #pulls = 0;
  #events = 0;
  #lastNews = 0;

  constructor(site: Site, reviewer: Reviewer) {
    this.#site = site;
    this.reviewer = reviewer;
  }

  /** The first import, and its way through the tiers, each step merged at once. */
  async begin(): Promise<void> {
    for (const verb of ['sync', 'promote', 'promote', 'promote'] as const) {
      await this.#once(verb, false);
      await this.reviewer.look();
      await this.reviewer.work(true);
      this.#site.now = new Date(this.#site.now.getTime() + (SETTLED / 4) * DAY);
    }
    this.#pulls = this.#site.forge.state.issues.length;
    this.#events = this.#site.forge.state.events.length;
    this.reviewer.begin();
    if (this.#faults.length > 0) throw new Error(this.#faults.join('\n'));
  }

  /** `again`: whatever it wrote, the same at once a second time must write nothing. */
  async bot(verb: 'sync' | 'promote', again: boolean): Promise<void> {
    const before = this.#merged();
    const wrote = await this.#once(verb, false);
    if (again || wrote) {
      await this.reviewer.look();
      this.#site.now = new Date(this.#site.now.getTime() + 5 * 60_000);
      await this.#once(verb, this.#merged() === before);
    }
    await this.reviewer.look();
  }

  #merged(): number {
    return this.#site.forge.state.issues.filter(({ pull }) => pull?.mergedAt).length;
  }

  /** `isAgain`: nothing has moved since the last run, which looked at the same. */
  async #once(verb: 'sync' | 'promote', isAgain: boolean): Promise<boolean> {
    const { requests } = this.#site.forge;
    const from = requests.length;
    const world = this.#site.world();
    const how = { how: 'propose', all: false } as const;
    const { forge } = this.#site;
    const [before, open] = [this.#merged(), forge.state.openPulls.length];
    let news = false;
    try {
      const delivered =
        verb === 'sync'
          ? await sync(world, { upstreams: [], ...how })
          : await promote(world, { packages: [], ...how });
      news = delivered.some(({ pull }) => pull !== undefined && !WITHOUT_NEWS.has(pull.outcome));
    } catch (error) {
      this.#faults.push(`${verb} at ${world.now.toISOString()}: ${String(error)}`);
    }
    news ||= this.#merged() !== before || forge.state.openPulls.length < open; // merged by itself, or nothing was left of it
    if (news) this.#lastNews = world.now.getTime();
    const asked = requests.slice(from);
    const writes = asked.filter(
      ({ method, route }) => method !== 'GET' && !/^git .*upload-pack$/.test(route),
    );
    if (news) {
      this.#mostBusy = Math.max(this.#mostBusy, asked.length);
      if (isAgain) this.#writes.push(`${verb} again at ${world.now.toISOString()} had news`);
    } else {
      this.#quiet += 1;
      this.#mostQuiet = Math.max(this.#mostQuiet, asked.length);
      for (const { method, route } of writes)
        this.#writes.push(`${verb} at ${world.now.toISOString()}: ${method} ${route}`);
    }
    return writes.length > 0;
  }

  /** Nothing is open, and for longer than any wait or window nothing came: each further day is as this one. */
  isAtRest(now: number): boolean {
    return this.#site.forge.state.openPulls.length === 0 && now - this.#lastNews > AT_REST;
  }

  measured(days: number): Measured {
    const { state } = this.#site.forge;
    const isBot = ({ actor, ref }: { actor: { kind: string }; ref?: string }) =>
      actor.kind === 'app' && ref?.startsWith('refs/heads/sluice/') === true;
    const pushed = state.events
      .slice(this.#events)
      .filter((e) => e.name === 'push' && e.action !== 'deleted' && isBot(e));
    const rewritten = pushed.filter((e) => e.action === 'updated');
    const inAnHour = rewritten.map(({ at, ref }) => {
      const since = Date.parse(at) - HOUR;
      return rewritten.filter((e) => e.ref === ref && e.at <= at && Date.parse(e.at) > since).length;
    });
    const { approvals, lost, red, longestDays } = this.reviewer;
    const merges = state.issues.slice(this.#pulls).filter(({ pull }) => pull?.mergedAt).length;
    return {
      ...{ days, pulls: state.issues.length - this.#pulls, pushes: pushed.length },
      ...{ rewrites: rewritten.length, mostRewritesInAnHour: Math.max(0, ...inAnHour) },
      ...{ approvals, lost, merges, red, longestDays, quiet: this.#quiet },
      ...{ writesWithoutNews: this.#writes, mostRequestsQuiet: this.#mostQuiet },
      ...{ mostRequestsBusy: this.#mostBusy, stillOpen: state.openPulls.length, faults: this.#faults },
    };
  }
}
