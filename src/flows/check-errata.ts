import { Fault } from '../base/fault.ts';
import { errataDifference, parseErrataPath, readErrata, renderErrata } from '../manifest/errata.ts';
import type { Catalog } from '../pool/catalog.ts';
import { remakeErrata } from './errata.ts';
import type { State } from './state.ts';

/**
 * Generated sets are what generates them: each one that main has not is written again from the commit that it names, and compared
 * letter by letter. Of a folder, and of module streams where there is no catalog, its own digest alone vouches.
 */
export async function checkErrata(
  main: State,
  merged: State,
  catalog: Catalog | undefined,
): Promise<Fault[]> {
  const complaints: Fault[] = [];
  for (const [path, text] of merged.files) {
    if (!parseErrataPath(path) || main.files.get(path) === text) continue;
    try {
      const head = readErrata(text, path, { lenient: true });
      const wanted = head.commit === undefined ? undefined : await remade(head, main, catalog);
      if (wanted !== undefined) complaints.push(...errataDifference(text, wanted, path));
      else readErrata(text, path);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { code, message, hint } = error;
      complaints.push(
        error.at?.startsWith(path) ? error : new Fault(code, message, { hint, at: path, cause: error }),
      );
    }
  }
  return complaints;
}

class NoCatalog extends Error {}

async function remade(
  head: Parameters<typeof remakeErrata>[0],
  main: State,
  catalog: Catalog | undefined,
): Promise<string | undefined> {
  try {
    const made = await remakeErrata(head, main, () => {
      if (catalog) return catalog;
      throw new NoCatalog();
    });
    return renderErrata(made);
  } catch (error) {
    if (error instanceof NoCatalog) return undefined;
    throw error;
  }
}
