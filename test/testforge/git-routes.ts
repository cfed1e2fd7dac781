import { type Answer, type Call, notFound, Refusal, type Routes, strings, text } from './call.ts';
import type { Signature, TreeItem } from './git.ts';
import type { Actor } from './state.ts';

/** The Git Data API: `rest/git` of GitHub's documentation. */
export const GIT_ROUTES: Routes = {
  'git/get-ref': { needs: ['contents:read'], run: getRef },
  'git/list-matching-refs': {
    needs: ['contents:read'],
    async run({ git, json, params }) {
      const refs = (await git.refs(`refs/${params['ref']}`)).map(({ ref, sha, type }) =>
        json.ref(ref, sha, type),
      );
      return { status: 200, body: refs };
    },
  },
  'git/create-ref': { needs: ['contents:write'], run: createRef },
  'git/update-ref': { needs: ['contents:write'], run: updateRef },
  'git/delete-ref': { needs: ['contents:write'], run: deleteRef },
  'git/create-blob': {
    needs: ['contents:write'],
    run({ git, json, body }) {
      const encoding = body['encoding'] === 'base64' ? 'base64' : 'utf8';
      const sha = git.writeBlob(Buffer.from(String(body['content']), encoding));
      return { status: 201, body: { sha, url: `${json.url}/git/blobs/${sha}` } };
    },
  },
  'git/get-blob': {
    needs: ['contents:read'],
    async run({ git, json, params }) {
      const sha = params['file_sha'] ?? '';
      const bytes = await git.bytes(sha);
      if (bytes === undefined) throw notFound();
      const node_id = Buffer.from(`B:${sha}`).toString('base64url');
      const content = { content: bytes.toString('base64'), encoding: 'base64', size: bytes.length };
      return { status: 200, body: { sha, node_id, url: `${json.url}/git/blobs/${sha}`, ...content } };
    },
  },
  'git/create-tree': { needs: ['contents:write'], run: createTree },
  'git/get-tree': {
    needs: ['contents:read'],
    async run({ git, json, params, query }) {
      const tree = await git.resolve(params['tree_sha'] ?? '', 'tree');
      if (tree === undefined) throw notFound();
      return { status: 200, body: json.tree(tree, await git.listTree(tree, query.has('recursive'))) };
    },
  },
  'git/create-commit': { needs: ['contents:write'], run: createCommit },
  'git/get-commit': {
    needs: ['contents:read'],
    async run({ git, json, params }) {
      const sha = await git.resolve(params['commit_sha'] ?? '');
      if (sha === undefined) throw notFound();
      return { status: 200, body: json.gitCommit(await git.commit(sha)) };
    },
  },
};

async function getRef({ git, json, params }: Call): Promise<Answer> {
  const ref = `refs/${params['ref']}`;
  const found = (await git.refs(ref)).find((known) => known.ref === ref);
  if (!found) throw notFound();
  return { status: 200, body: json.ref(ref, found.sha, found.type) };
}

async function createRef(call: Call): Promise<Answer> {
  const { git, json, body } = call;
  const ref = String(body['ref']);
  if (!/^refs\/.+\/.+/.test(ref)) {
    // rest/git/refs: "must start with 'refs' and have at least two slashes"
    throw new Refusal(422, "Reference name must start with 'refs/'.");
  }
  const sha = await git.resolve(String(body['sha']), 'object');
  if (sha === undefined) throw new Refusal(422, 'Object does not exist');
  if ((await git.ref(ref)) !== undefined) throw new Refusal(422, 'Reference already exists');
  guard(call, ref, 'create');
  // also where `a` exists and `a/b` is asked for: git keeps refs as paths
  if (!(await git.setRef(ref, sha))) throw new Refusal(422, 'Reference update failed');
  await call.settle(call.actor);
  return { status: 201, body: json.ref(ref, sha) };
}

async function updateRef(call: Call): Promise<Answer> {
  const { git, json, params, body } = call;
  const ref = `refs/${params['ref']}`;
  const from = await git.ref(ref);
  if (from === undefined) throw new Refusal(422, 'Reference does not exist');
  const sha = await git.resolve(String(body['sha']), 'object');
  if (sha === undefined) throw new Refusal(422, 'Object does not exist');
  if (body['force'] !== true && !(await git.isAncestor(from, sha))) {
    throw new Refusal(422, 'Update is not a fast forward'); // rest/git/refs: `force`
  }
  guard(call, ref, 'update');
  if (!(await git.setRef(ref, sha, from))) throw new Refusal(409, 'Reference update failed');
  await call.settle(call.actor);
  return { status: 200, body: json.ref(ref, sha) };
}

async function deleteRef(call: Call): Promise<Answer> {
  const ref = `refs/${call.params['ref']}`;
  const from = await call.git.ref(ref);
  if (from === undefined) throw new Refusal(422, 'Reference does not exist');
  guard(call, ref, 'delete');
  await call.git.setRef(ref, undefined, from);
  await call.settle(call.actor);
  return { status: 204 };
}

/** GitHub's own refs, and main under a ruleset ("Available rules for rulesets"). */
function guard({ state }: Call, ref: string, what: 'create' | 'update' | 'delete'): void {
  if (ref.startsWith('refs/pull/')) throw new Refusal(422, 'Reference update failed');
  if (ref === 'refs/heads/main' && what === 'delete')
    throw new Refusal(422, 'Cannot delete the default branch');
  if (ref === 'refs/heads/main' && state.settings.rules) {
    throw new Refusal(
      422,
      'Repository rule violations found\n\nChanges must be made through a pull request.\n\n',
    );
  }
}

async function createTree({ git, json, body }: Call): Promise<Answer> {
  const base = text(body['base_tree']);
  // rest/git/trees: "the SHA1 of an existing Git tree object"; a commit's id is none
  const from = base === undefined ? undefined : await git.resolve(base, 'tree');
  if (base !== undefined && from !== base) throw new Refusal(422, 'base_tree is not a valid tree oid');
  const items = body['tree'] as {
    path?: string;
    mode?: string;
    type?: string;
    sha?: string | null;
    content?: string;
  }[];
  const there = new Set(from === undefined ? [] : (await git.listTree(from, true)).map(({ path }) => path));
  const changes: Omit<TreeItem, 'size'>[] = [];
  for (const { path = '', mode = '100644', type = 'blob', sha, content } of items) {
    // git itself skips these without a word (`update-index --index-info`), GitHub says it
    const bad = path
      .split('/')
      .some((part) => ['', '.', '..'].includes(part) || part.toLowerCase() === '.git');
    if (bad) throw new Refusal(422, 'tree.path contains a malformed path component');
    if (sha === null) {
      if (!there.has(path)) throw new Refusal(422, 'GitRPC::BadObjectState'); // rest/git/trees, `sha: null`
      changes.push({ path, mode: '0', type, sha: '0'.repeat(40) });
    } else if ((sha === undefined) === (content === undefined)) {
      throw new Refusal(422, 'Must supply either tree.sha or tree.content');
    } else {
      const id = sha ?? git.writeBlob(Buffer.from(content ?? ''));
      if (sha !== undefined && (await git.resolve(sha, 'object')) === undefined) {
        throw new Refusal(422, `tree.sha ${sha} is not a valid ${type}`);
      }
      changes.push({ path, mode, type, sha: id });
    }
  }
  const tree = await git.writeTree(from, changes);
  return { status: 201, body: json.tree(tree, await git.listTree(tree, false)) };
}

/** Whom GitHub writes down where a request names nobody. */
export function signatureOf({ id, login }: Actor, date: string): Signature {
  const host = 'users.noreply.github.com'; // docs: "Setting your commit email address"
  return { name: login, email: `${id}+${login}@${host}`, date };
}

async function createCommit({ git, json, state, actor, body }: Call): Promise<Answer> {
  const tree = await git.resolve(String(body['tree']), 'tree');
  if (tree === undefined) throw new Refusal(422, 'Tree SHA does not exist');
  const parents = strings(body['parents']);
  for (const parent of parents) {
    if ((await git.resolve(parent)) === undefined) {
      throw new Refusal(422, 'Parent SHA does not exist or is not a commit object');
    }
  }
  const own = signatureOf(actor, state.now());
  const author = { ...own, ...(body['author'] as Partial<Signature> | undefined) };
  const committer = { ...author, ...(body['committer'] as Partial<Signature> | undefined) };
  const sha = await git.writeCommit({ tree, parents, author, committer, message: String(body['message']) });
  // "Commit signature verification for bots": an App's request without author, committer or signature is signed
  const plain = ['author', 'committer', 'signature'].every((key) => body[key] === undefined);
  if (actor.kind !== 'user' && plain) state.verified.add(sha);
  return { status: 201, body: json.gitCommit(await git.commit(sha)) };
}
