// gh of machines that have none (GitHub's own runners have it): `gh workflow run FILE --ref BRANCH`, which asks what gh 2 asks, of the
// API that the job names. gh itself would ask github.com, or GH_HOST by https. Whatever else is wanted of it fails.
const [topic, verb, file = '', flag, ref, ...more] = process.argv.slice(2);
const { GITHUB_API_URL: api, GH_REPO: repo, GH_TOKEN: token } = process.env;
const fail = (/** @type {string} */ words) => {
  console.error(words);
  process.exit(1);
};
if (topic !== 'workflow' || verb !== 'run' || flag !== '--ref' || !ref || more.length > 0) {
  fail(`the test forge has no gh ${process.argv.slice(2).join(' ')}`);
}
if (!token)
  fail('gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable.');
if (!repo) fail('failed to determine base repo: not a git repository'); // nothing was checked out

/** @param {string} method @param {string} path @param {object} [body] */
async function ask(method, path, body) {
  const response = await fetch(`${api}/repos/${repo}/actions/workflows/${path}`, {
    method,
    headers: { authorization: `token ${token}`, 'user-agent': 'GitHub CLI 2' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const answer = response.status === 204 ? {} : await response.json();
  if (!response.ok)
    fail(`could not create workflow dispatch event: HTTP ${response.status}: ${answer.message}`);
  return answer;
}

const { id, name } = await ask('GET', file);
await ask('POST', `${id}/dispatches`, { ref, inputs: {} });
console.log(`Created workflow_dispatch event for ${name} at ${ref}`);
