import { join } from 'node:path';
import { expect } from 'vitest';
import { parse } from 'yaml';
import { Client } from '../fixtures/dnfClient.ts';
import { Dnf, DnfHost } from '../fixtures/dnfHost.ts';
import type { Setting } from './setting.ts';

const TIERS = [
  ['vendor', 'live'],
  ['infra', 'unstable'],
  ['infra', 'stable'],
] as const;
const PLATFORM = 'platform:h9';

/** Hosts of each tier, with the .repo file that `sluice repofile` writes. */
export class Clients {
  readonly #setting: Setting;
  readonly #dnf = new Dnf();
  readonly #hosts = new Map<string, { readonly host: DnfHost; readonly repofile: string }>();

  private constructor(setting: Setting) {
    this.#setting = setting;
  }

  static async of(setting: Setting): Promise<Clients> {
    const clients = new Clients(setting);
    const dir = join(setting.mirror, '..', 'clients');
    for (const [team, tier] of TIERS) {
      const repofile = await setting.shell(`npx sluice repofile --team ${team} --tier ${tier}`);
      const host = await DnfHost.of(clients.#dnf, join(dir, tier), repofile, PLATFORM);
      clients.#hosts.set(tier, { host, repofile });
    }
    return clients;
  }

  /** A root of its own, in which dnf installs. */
  async host(tier: string): Promise<Client> {
    const dir = join(this.#setting.mirror, '..', `client-${tier}`);
    return Client.of(this.#hosts.get(tier)?.repofile ?? '', PLATFORM, dir);
  }

  /** Each tier's dnf can have the builds that main on GitHub pins for it, and no other. */
  async haveWhatMainSays(): Promise<void> {
    for (const [team, tier] of TIERS) {
      const pinned: string[] = [];
      for (const repository of ['base', 'apps']) {
        const text = await this.#setting.onMain(
          `snapshots/${team}/${tier}/harbor-9-x86_64-${repository}.yaml`,
        );
        const { packages } = parse(text) as { packages: Record<string, string | string[]> };
        for (const [key, evrs] of Object.entries(packages)) {
          const [, name, arch] = /^(.*)\.([^.]+)$/.exec(key) ?? [];
          pinned.push(...[evrs].flat().map((evr) => `${name}-${evr}.${arch}`));
        }
      }
      const seen = await this.#hosts.get(tier)?.host.look();
      expect([tier, seen?.available]).toEqual([tier, pinned.sort()]);
    }
  }

  stop(): void {
    this.#dnf.stop();
  }
}
