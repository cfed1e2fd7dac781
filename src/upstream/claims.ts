import { quote } from '../base/fault.ts';
import { readPackage } from '../repodata/primary.ts';
import type { Blob } from '../rpm/blob.ts';
import type { Capability } from '../rpm/capability.ts';
import { type HeaderRelation, RELATION_KINDS, relationsOf } from '../rpm/relations.ts';

/**
 * What metadata says of a package and the package itself does not, as a clause; undefined where it says nothing more. A mirror could
 * else make clients install what a package never asked for, or let it stand for another (TUF's extraneous dependencies). Less is no
 * matter: createrepo_c leaves out what a package provides itself, and rpm asks the header before it installs.
 */
export function unfoundedClaims(primary: Buffer, header: Blob, at: string): string | undefined {
  const said = readPackage(primary, at);
  for (const kind of RELATION_KINDS) {
    const known = new Set(relationsOf(header, kind, at).map(keyOfHeader));
    const claim = said[kind].find((capability) => !known.has(keyOf(capability)));
    if (claim)
      return `the metadata says that it ${VERBS[kind]} ${quote(claim.name)}, and the package itself does not`;
  }
  return undefined;
}

const VERBS = {
  provides: 'provides',
  requires: 'requires',
  conflicts: 'conflicts with',
  obsoletes: 'obsoletes',
  recommends: 'recommends',
  suggests: 'suggests',
  supplements: 'supplements',
  enhances: 'enhances',
} as const;

/** As `capability` reads what was written of it: an operator without a version means any. */
function keyOfHeader({ name, operator, evr }: HeaderRelation): string {
  const [, epoch = '0', version = '', release = ''] = /^(?:([^:]*):)?([^-]*)(?:-(.*))?$/.exec(evr) ?? [];
  return operator === '' || version === ''
    ? name
    : `${name} ${operator} ${Number(epoch)}:${version}-${release}`;
}

function keyOf({ name, flags, epoch, version, release }: Capability): string {
  return flags === undefined ? name : `${name} ${flags} ${epoch ?? 0}:${version ?? ''}-${release ?? ''}`;
}
