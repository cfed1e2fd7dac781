import { makeForge, refsOf } from '../fixtures/localForge.ts';
import { type ForgeHost, forgeContract } from './contract.ts';

const BY = 'Anna <anna@example.org>';

forgeContract('local', async (): Promise<ForgeHost> => {
  const { forge, clone, dir } = await makeForge();
  return {
    ...{ forge, person: forge, by: BY, clone: clone.root },
    written: async () => refsOf(dir), // every event is a commit of refs/sluice/pulls
    async checksOf(number, head) {
      const checks = (await forge.get(number)).checks ?? [];
      return checks
        .filter((check) => check.head === head)
        .map(({ name, state, title, annotations }) => ({
          name,
          state,
          title,
          annotations: annotations.length,
        }));
    },
    open: async (branch, title) =>
      (await forge.open({ branch, title, by: BY, now: new Date('2026-03-10T09:30:00Z') })).number,
  };
});
