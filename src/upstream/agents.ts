import type { Agent } from 'undici';

/** The connections to one upstream. */
export interface Agents extends AsyncDisposable {
  /** `named`: for what the policy itself names, with the client certificate; else for whatever a list or a redirect named. */
  of(named: boolean): Promise<Agent>;
}

/** undici is loaded at the first request: a sixth of a command's start, and most commands ask no server. */
export function agentsWith(o: Agent.Options, certified: Agent.Options['connect'] & object): Agents {
  const made = new Map<boolean, Promise<Agent>>();
  const make = async (named: boolean) => {
    const { Agent } = await import('undici');
    return new Agent({ ...o, connect: { ...o.connect, ...(named ? certified : {}) } });
  };
  return {
    of(named) {
      const agent = made.get(named) ?? make(named);
      made.set(named, agent);
      return agent;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...made.values()].map(async (agent) => (await agent).destroy()));
    },
  };
}
