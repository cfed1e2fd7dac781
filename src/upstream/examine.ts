import { Fault } from '../base/fault.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { brokenDigests, judge } from '../openpgp/judge.ts';
import { examinePackage } from '../openpgp/package.ts';
import type { Trust } from '../openpgp/trust.ts';
import { readChunks } from '../pool/disk.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { unfoundedClaims } from './claims.ts';
import type { PackageVerdict } from './verdicts.ts';

/**
 * Reads an RPM file and judges it. A right file under a wrong name (TUF's wrong software) is a Fault: the header decides, not
 * the metadata. `primary`: its `<package>` element, which must not say more than the package does.
 */
export async function examineBuild(
  path: string,
  { pin, primary }: { readonly pin: Pin; readonly primary?: Buffer | undefined },
  { keys, required, rules }: Trust,
  at: string,
): Promise<PackageVerdict> {
  const examined = await examinePackage(readChunks(path), keys, at);
  const [claimed, found] = [formatNevra(pin.nevra), formatNevra(examined.rpm.file.nevra)];
  if (claimed !== found) {
    throw new Fault('RPM_INVALID', `the metadata calls it ${claimed}, the package itself ${found}`, {
      hint: 'Keep it out with a deny filter, and ask whoever runs this upstream.',
      at,
    });
  }
  const about = { content: examined.content, record: pin.record };
  const wrong = brokenDigests(examined) ?? (primary && unfoundedClaims(primary, examined.rpm.header, at));
  if (wrong !== undefined) return { refused: wrong, by: [], ...about };
  if (!required) return { by: [], ...about };
  const verdict = judge(examined, rules);
  if (verdict.kind === 'refused') return { refused: verdict.why, by: [], ...about };
  return { by: verdict.by.map((key) => key.fingerprint), ...about };
}
