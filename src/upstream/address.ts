import { lookup as dnsLookup } from 'node:dns/promises';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { unsafe } from './url.ts';

/** Who can reach an address. A redirect never leads into a class that the base itself is not in. */
export type Reach = 'public' | 'private' | 'loopback' | 'link-local' | 'special';

export type Resolve = (host: string) => Promise<readonly { address: string; family: number }[]>;

/** IANA's special-purpose address registries. IPv4-mapped IPv6 addresses match the IPv4 rules. */
const RANGES: Readonly<Record<Exclude<Reach, 'public'>, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  'link-local': ['169.254.0.0/16', 'fe80::/10'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'],
  special: [
    '0.0.0.0/8',
    '192.0.0.0/24',
    '198.18.0.0/15',
    '224.0.0.0/3',
    '::/128',
    'ff00::/8',
    '64:ff9b:1::/48',
  ],
};

const LISTS = Object.entries(RANGES).map(([reach, ranges]) => {
  const list = new BlockList();
  for (const range of ranges) {
    const [net = '', bits] = range.split('/');
    list.addSubnet(net, Number(bits), isIP(net) === 6 ? 'ipv6' : 'ipv4');
  }
  return { reach: reach as Reach, list };
});

export function reachOf(address: string): Reach {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  return LISTS.find(({ list }) => list.check(address, family))?.reach ?? 'public';
}

async function resolveByDns(host: string): Promise<readonly { address: string; family: number }[]> {
  return await dnsLookup(host, { all: true });
}

/**
 * Lets connections through to public addresses, and to the classes of address that the bases themselves are in.
 * It decides on the addresses that the connection is then made to, so a name cannot change in between.
 */
export class AddressGuard {
  readonly #resolve: Resolve;
  readonly #bases: readonly URL[];
  #allowed: Promise<ReadonlySet<Reach>> | undefined;

  constructor(bases: readonly URL[], resolve: Resolve = resolveByDns) {
    this.#bases = bases;
    this.#resolve = resolve;
  }

  /** Names are looked up when a connection is made; addresses in a URL never are, so they are judged here. */
  async checkUrl(url: URL): Promise<void> {
    const host = hostOf(url);
    if (isIP(host) !== 0) await this.#permit(url.host, [{ address: host, family: isIP(host) }]);
  }

  /** For programs that connect by themselves: an address of the host that may be connected to. */
  async addressOf(url: URL): Promise<string> {
    const host = hostOf(url);
    const found = isIP(host) === 0 ? await this.#resolve(host) : [{ address: host, family: isIP(host) }];
    const [first] = await this.#permit(url.host, found);
    if (!first) throw Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' });
    return first.address;
  }

  /** For `net.connect`. */
  get lookup(): LookupFunction {
    return (host, options, done) => {
      this.#resolve(host)
        .then((found) => this.#permit(host, found))
        .then(
          (found) => {
            const family =
              typeof options.family === 'number' && options.family !== 0 ? options.family : undefined;
            const fitting = family === undefined ? found : found.filter((a) => a.family === family);
            const first = fitting[0];
            if (!first)
              done(Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' }), '', 4);
            else if (options.all) done(null, [...fitting]);
            else done(null, first.address, first.family);
          },
          (error: NodeJS.ErrnoException) => done(error, '', 4),
        );
    };
  }

  async #permit(host: string, found: readonly { address: string; family: number }[]) {
    const strange = found.filter(({ address }) => reachOf(address) !== 'public');
    if (strange.length === 0) return found;
    this.#allowed ??= this.#reachOfBases();
    const allowed = await this.#allowed;
    const worst = strange.find(({ address }) => !allowed.has(reachOf(address)));
    if (!worst) return found;
    throw unsafe(`${host} leads to ${worst.address}, a ${reachOf(worst.address)} address`, host);
  }

  async #reachOfBases(): Promise<ReadonlySet<Reach>> {
    const reaches = new Set<Reach>();
    for (const base of this.#bases) {
      if (base.protocol === 'file:') continue;
      const host = hostOf(base);
      const found = isIP(host) === 0 ? await this.#resolve(host).catch(() => []) : [{ address: host }];
      for (const { address } of found) reaches.add(reachOf(address));
    }
    return reaches;
  }
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
