import { Fault, quote } from '../base/fault.ts';
import type { Snapshot } from '../manifest/snapshot.ts';
import type { Catalog } from '../pool/catalog.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { loadFacts } from './facts.ts';
import type { PromoteScope } from './plan-promote.ts';

export interface WordsOf {
  readonly scope: PromoteScope;
  /** Where the words are looked for. */
  readonly snapshots: readonly Snapshot[];
}

/**
 * Of client sets those that have something by one of these words: a package, a source package, a build. A word that nobody has is a
 * fault before anything is planned: what else was named would be done, and this would go unseen.
 */
export async function scopesWithWords(
  catalog: Catalog,
  looked: readonly WordsOf[],
  words: readonly string[],
  o: { readonly where: string; readonly hint: string },
): Promise<PromoteScope[]> {
  const found = new Set<string>();
  const having: PromoteScope[] = [];
  for (const { scope, snapshots } of looked) {
    const known = await knownWords(catalog, snapshots, words);
    for (const word of known) found.add(word);
    if (known.length > 0) having.push(scope);
  }
  const unknown = words.filter((word) => !found.has(word));
  if (unknown.length === 0) return having;
  const tiers = new Set(looked.map(({ scope: { team, tier } }) => `${team.team}/${tier.name}`));
  throw new Fault('NOT_FOUND', `${o.where} has no ${unknown.map(quote).join(', ')}`, {
    hint: o.hint,
    at: [...tiers].join(', '),
  });
}

async function knownWords(
  catalog: Catalog,
  snapshots: readonly Snapshot[],
  words: readonly string[],
): Promise<string[]> {
  const pins = snapshots.flatMap((snapshot) => snapshot.pins);
  const known = new Set(pins.flatMap(({ nevra }) => [nevra.name, formatNevra(nevra)]));
  if (words.some((word) => !known.has(word))) {
    const facts = await loadFacts(catalog, snapshots);
    for (const pin of pins) known.add(facts.build(pin).source);
  }
  return words.filter((word) => known.has(word));
}
