import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, chmodSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';

const BACKEND = join(execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim(), 'git-http-backend');

/** What GitHub says to a push that a ruleset forbids (GH013); refs/pull is hidden by `receive.hideRefs`. */
const HOOK = `#!/bin/sh
while read -r old new ref; do
  if [ "$ref" = "$TESTFORGE_PROTECTED" ]; then
    echo "error: GH013: Repository rule violations found for $ref." >&2
    echo "- Changes must be made through a pull request." >&2
    exit 1
  fi
done
`;

/** allowAnySHA1InWant: GitHub serves every commit that any ref ever reached. */
const CONFIG = `[http]
	receivepack = true
	uploadpack = true
[receive]
	hideRefs = refs/pull
[uploadpack]
	allowAnySHA1InWant = true
[gc]
	auto = 0
`;

export function setUpHttp(dir: string): void {
  appendFileSync(join(dir, 'config'), CONFIG);
  const hook = join(dir, 'hooks', 'pre-receive');
  writeFileSync(hook, HOOK);
  chmodSync(hook, 0o755);
}

/** git-http-backend (git-http-backend(1)) as a CGI; resolves with the status when the answer is sent. */
export function serveGit(
  request: IncomingMessage,
  response: ServerResponse,
  o: { dir: string; path: string; query: string; user: string; isProtected: boolean },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const {
      'content-type': type = '',
      'content-length': length = '',
      'content-encoding': encoding,
    } = request.headers;
    const protocol = request.headers['git-protocol'];
    const child = spawn(BACKEND, {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        ...{ PATH: process.env['PATH'], GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' },
        ...{ GIT_PROJECT_ROOT: o.dir, GIT_HTTP_EXPORT_ALL: '1', PATH_INFO: o.path, QUERY_STRING: o.query },
        ...{ REQUEST_METHOD: request.method ?? 'GET', CONTENT_TYPE: type, CONTENT_LENGTH: length },
        ...{ REMOTE_USER: o.user, REMOTE_ADDR: '127.0.0.1' },
        ...(o.isProtected ? { TESTFORGE_PROTECTED: 'refs/heads/main' } : {}),
        ...(encoding === undefined ? {} : { HTTP_CONTENT_ENCODING: encoding }),
        ...(protocol === undefined ? {} : { GIT_PROTOCOL: String(protocol) }),
      },
    });
    child.on('error', reject);
    child.stdin.on('error', () => undefined);
    request.pipe(child.stdin);
    let head: Buffer | undefined = Buffer.alloc(0);
    child.stdout.on('data', (bytes: Buffer) => {
      if (head === undefined) return void response.write(bytes);
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      let status = 200;
      for (const line of head.subarray(0, end).toString('latin1').split('\r\n')) {
        const colon = line.indexOf(':');
        const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
        if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.writeHead(status);
      response.write(head.subarray(end + 4));
      head = undefined;
    });
    child.on('close', () => {
      if (!response.headersSent) response.writeHead(500);
      resolve(response.statusCode);
    });
  });
}
