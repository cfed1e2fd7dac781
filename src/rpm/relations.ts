import { type Blob, integersOf, invalid, legibleTextsOf } from './blob.ts';

/** A dependency as a header has it, with rpm's flags as an operator: `{ name: 'glibc', operator: 'GE', evr: '2.34' }`. */
export interface HeaderRelation {
  readonly name: string;
  readonly operator: '' | 'LT' | 'LE' | 'EQ' | 'GE' | 'GT';
  /** As written: `[epoch:]version[-release]`, or nothing. */
  readonly evr: string;
  /** All of rpm's flags: when a requirement is needed, how weak a relation is. */
  readonly sense: number;
}

/** Tags of names, flags and versions (rpm's include/rpm/rpmtag.h). */
const TAGS = {
  provides: [1047, 1112, 1113],
  requires: [1049, 1048, 1050],
  conflicts: [1054, 1053, 1055],
  obsoletes: [1090, 1114, 1115],
  recommends: [5046, 5048, 5047],
  suggests: [5049, 5051, 5050],
  supplements: [5052, 5054, 5053],
  enhances: [5055, 5057, 5056],
} as const;

export type RelationKind = keyof typeof TAGS;
export const RELATION_KINDS = Object.keys(TAGS) as readonly RelationKind[];

/** How weak relations were written before rpm 4.12 (SUSE, Mandriva): two kinds, of which a flag made four. */
const OLD_SUGGESTS = [1156, 1158, 1157] as const;
const OLD_ENHANCES = [1159, 1161, 1160] as const;
const STRONG = 1 << 27;
const MISSING_OK = 1 << 19;

/** RPMSENSE_LESS, _GREATER, _EQUAL (include/rpm/rpmds.h). */
const OPERATORS = new Map([
  [0, ''],
  [2, 'LT'],
  [4, 'GT'],
  [8, 'EQ'],
  [10, 'LE'],
  [12, 'GE'],
] as const);

/**
 * All relations of a kind, also those in the words of old rpm, as createrepo_c sorts them. RPM_INVALID where names, flags and
 * versions are not as many.
 */
export function relationsOf(header: Blob, kind: RelationKind, at: string): HeaderRelation[] {
  const own = read(header, kind, TAGS[kind], at);
  const strong = (r: HeaderRelation) => (r.sense & STRONG) !== 0;
  const old = (tags: Tags) => read(header, kind, tags, at);
  switch (kind) {
    case 'requires':
      return own.filter((r) => !mayBeMissing(r));
    case 'recommends':
      return [
        ...read(header, 'requires', TAGS.requires, at).filter(mayBeMissing),
        ...own,
        ...old(OLD_SUGGESTS).filter(strong),
      ];
    case 'suggests':
      return [...own, ...old(OLD_SUGGESTS).filter((r) => !strong(r))];
    case 'supplements':
      return [...own, ...old(OLD_ENHANCES).filter(strong)];
    case 'enhances':
      return [...own, ...old(OLD_ENHANCES).filter((r) => !strong(r))];
    default:
      return own;
  }
}

function mayBeMissing({ sense }: HeaderRelation): boolean {
  return (sense & MISSING_OK) !== 0;
}

type Tags = readonly [names: number, flags: number, versions: number];

function read(
  header: Blob,
  kind: RelationKind,
  [names, flags, versions]: Tags,
  at: string,
): HeaderRelation[] {
  const all = legibleTextsOf(header, names, at);
  const senses = integersOf(header, flags, 4, at);
  const evrs = legibleTextsOf(header, versions, at);
  if (all.length > 0 && (senses.length !== all.length || evrs.length !== all.length)) {
    throw invalid(
      `its ${kind} have ${all.length} names, ${senses.length} flags and ${evrs.length} versions`,
      at,
    );
  }
  return all.map((name, i) => {
    const sense = senses[i] ?? 0;
    const operator = OPERATORS.get((sense & 14) as 0) ?? '';
    return { name, operator, evr: operator === '' ? '' : (evrs[i] ?? ''), sense };
  });
}
