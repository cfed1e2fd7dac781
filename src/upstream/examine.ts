import { Fault } from '../base/fault.ts';
import type { Pin } from '../manifest/snapshot.ts';
import { examinePackage } from '../openpgp/package.ts';
import type { Trust } from '../openpgp/trust.ts';
import { readChunks } from '../pool/disk.ts';
import { formatNevra } from '../rpm/nevra.ts';
import { judgePackage } from './judgePackage.ts';
import type { PackageVerdict } from './verdicts.ts';

/**
 * Reads an RPM file and judges it. A right file under a wrong name (TUF's wrong software) is a Fault: the header decides, not
 * the metadata. `primary`: its `<package>` element, which must not say more than the package does.
 */
export async function examineBuild(
  path: string,
  { pin, primary }: { readonly pin: Pin; readonly primary?: Buffer | undefined },
  trust: Trust,
  at: string,
): Promise<PackageVerdict> {
  const examined = await examinePackage(readChunks(path), trust.keys, at);
  const [claimed, found] = [formatNevra(pin.nevra), formatNevra(examined.rpm.file.nevra)];
  if (claimed !== found) {
    throw new Fault('RPM_INVALID', `the metadata calls it ${claimed}, the package itself ${found}`, {
      hint: 'Keep it out with a deny filter, and ask whoever runs this upstream.',
      at,
    });
  }
  const about = { content: examined.content, record: pin.record };
  return { ...judgePackage(examined, primary, trust, at), ...about };
}
