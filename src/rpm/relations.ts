import { type Blob, integersOf, invalid, textsOf } from './blob.ts';

/** A dependency as a header has it, with rpm's flags as an operator: `{ name: 'glibc', operator: 'GE', evr: '2.34' }`. */
export interface HeaderRelation {
  readonly name: string;
  readonly operator: '' | 'LT' | 'LE' | 'EQ' | 'GE' | 'GT';
  /** As written: `[epoch:]version[-release]`, or nothing. */
  readonly evr: string;
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

/** RPMSENSE_LESS, _GREATER, _EQUAL (include/rpm/rpmds.h). */
const OPERATORS = new Map([
  [0, ''],
  [2, 'LT'],
  [4, 'GT'],
  [8, 'EQ'],
  [10, 'LE'],
  [12, 'GE'],
] as const);

/** RPM_INVALID where names, flags and versions are not as many. */
export function relationsOf(header: Blob, kind: RelationKind, at: string): HeaderRelation[] {
  const [names, flags, versions] = TAGS[kind];
  const all = textsOf(header, names, at);
  const senses = integersOf(header, flags, 4, at);
  const evrs = textsOf(header, versions, at);
  if (all.length > 0 && (senses.length !== all.length || evrs.length !== all.length)) {
    throw invalid(
      `its ${kind} have ${all.length} names, ${senses.length} flags and ${evrs.length} versions`,
      at,
    );
  }
  return all.map((name, i) => {
    const operator = OPERATORS.get(((senses[i] ?? 0) & 14) as 0) ?? '';
    return { name, operator, evr: operator === '' ? '' : (evrs[i] ?? '') };
  });
}
