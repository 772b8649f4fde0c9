/**
 * The environment of processes that outlive the command which started them: what finding, fetching
 * and running programs needs, and nothing else. A model provider's key has no business in a
 * database server's memory, and a stray PGDATA or TEMPORAL_ADDRESS must not steer one.
 */
const kept =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|XDG_CACHE_HOME|PIP_.*|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS|https?_proxy|no_proxy|all_proxy|PYENV_.*)$/i;

const keptOfOurs = new Set([
  'BELAYER_CACHE',
  'BELAYER_TEMPORAL_CLI',
  'BELAYER_TEMPORAL_TEST_SERVER',
  'BELAYER_POSTGRES_BIN',
  'BELAYER_POSTGRES_RUN_AS',
  'BELAYER_SERVERS_GRACE_MS',
]);

export function serverEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => kept.test(name) || keptOfOurs.has(name)),
  );
}
