/**
 * git's settings for one host and no other, by its environment: an argument list is for everybody on the machine to read.
 * The empty value first takes away what `actions/checkout` may have left in the clone (two such headers are refused).
 */
export function gitTokenEnv(url: string, token: string | undefined): Record<string, string> {
  if (token === undefined || !/^https?:\/\//.test(url)) return {}; // ssh has keys of its own
  const key = `http.${new URL(url).origin}/.extraheader`;
  const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
  const settings = [
    [key, ''],
    [key, `Authorization: Basic ${basic}`],
    ['http.followRedirects', 'false'],
  ] as const;
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(settings.length) };
  settings.forEach(([name, value], n) => {
    env[`GIT_CONFIG_KEY_${n}`] = name;
    env[`GIT_CONFIG_VALUE_${n}`] = value;
  });
  return env;
}
