// A person at a browser: signs in at the provider, reads calendars from a page, and signs out.
//
// usage: browser.mjs DIR      DIR is that of a site which site.sh has started; needs chromium and npm's playwright-core
//
// Every check is a line; the last says "N passed, N failed".

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const modules = process.env.DAV_NODE_MODULES ?? `${process.env.HOME}/.cache/kalends/clients/npm/node_modules`;
const { chromium } = createRequire(`${modules}/`)('playwright-core');

const dir = process.argv[2];
const site = Object.fromEntries(
  [...readFileSync(`${dir}/env`, 'utf8').matchAll(/^(\w+)=['"]?(.*?)['"]?$/gm)].map((line) => [line[1], line[2]]),
);
const BASES = ['/dav/', '/api/v1.0/caldav/'];
// Both Keycloak's login page and the one of the tests' provider name their fields so.
const FORM = { user: '#username', password: '#password', submit: '#kc-login' };

let passed = 0;
let failed = 0;
function check(name, right, seen) {
  right ? (passed += 1) : (failed += 1);
  console.log(`${right ? 'ok  ' : 'FAIL'} ${name}${right ? '' : `: ${JSON.stringify(seen)}`}`);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', `--host-resolver-rules=MAP ${new URL(site.SITE_URL).hostname} 127.0.0.1`],
});

// A window of its own: no cookie of any other.
async function person() {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  return { context, page: await context.newPage() };
}

async function signIn(page, user, path) {
  await page.goto(site.SITE_URL + path);
  const asked = page.url().startsWith(new URL(site.ISSUER).origin);
  await page.fill(FORM.user, user);
  await page.fill(FORM.password, `${user}-secret`);
  await Promise.all([page.waitForURL(`${site.SITE_URL}/**`), page.click(FORM.submit)]);
  return asked;
}

// What a script of a page of the same origin gets: status, challenge, and the principal it is served as.
async function ask(page, path = '/dav/') {
  if (!page.url().startsWith(site.SITE_URL)) await page.goto(`${site.SITE_URL}/a-page-of-the-site`);
  return page.evaluate(async (path) => {
    const body = '<propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>';
    const headers = { Depth: '0', 'Content-Type': 'application/xml' };
    const answer = await fetch(path, { method: 'PROPFIND', headers, body, redirect: 'manual' });
    const text = await answer.text();
    const principal = text.match(/current-user-principal>\s*<D:href>[^<]*\/principals\/([^/<]+)\//)?.[1];
    return { status: answer.status, type: answer.type, challenge: answer.headers.get('www-authenticate'), principal };
  }, path);
}

// Leaves the page of an answer, whose policy lets no script run, for one of the site itself.
async function aside(page) {
  await page.goto(`${site.SITE_URL}/a-page-of-the-site`);
}

try {
  const alice = await person();
  await aside(alice.page);
  const before = await ask(alice.page);
  check('a script without a session gets 401 and no pop-up', before.status === 401 && before.challenge === null, before);

  check('who navigates is sent to the provider', await signIn(alice.page, 'alice', BASES[0]), alice.page.url());
  check('and comes back to where they wanted to go', new URL(alice.page.url()).pathname === BASES[0], alice.page.url());
  await aside(alice.page);
  for (const base of BASES) {
    const answer = await ask(alice.page, base);
    check(`the session serves alice under ${base}`, answer.status === 207 && answer.principal === 'alice', answer);
  }
  const cookies = (await alice.context.cookies()).filter((cookie) => cookie.domain.includes(new URL(site.SITE_URL).hostname));
  const open = cookies.filter((cookie) => !cookie.httpOnly || !cookie.secure).map((cookie) => cookie.name);
  check('no cookie of the site can be read by scripts or sent in the clear', cookies.length > 0 && open.length === 0, open);

  const bob = await person();
  await signIn(bob.page, 'bob', BASES[1]);
  await aside(bob.page);
  const other = await ask(bob.page);
  check('another window is another person', other.principal === 'bob', other);

  const wrong = await person();
  await wrong.page.goto(site.SITE_URL + BASES[0]);
  await wrong.page.fill(FORM.user, 'alice');
  await wrong.page.fill(FORM.password, 'not-hers');
  await wrong.page.click(FORM.submit);
  await wrong.page.waitForLoadState();
  check('a wrong password stays at the provider', wrong.page.url().startsWith(new URL(site.ISSUER).origin), wrong.page.url());

  const held = await alice.context.cookies();
  await alice.page.goto(`${site.SITE_URL}/oidc/callback?logout=${encodeURIComponent(`${site.SITE_URL}/`)}`);
  await alice.page.waitForLoadState();
  await aside(alice.page);
  const after = await ask(alice.page);
  check('signed out, a script gets 401', after.status === 401, after);
  await alice.context.addCookies(held.filter((cookie) => cookie.domain.includes(new URL(site.SITE_URL).hostname)));
  const replayed = await ask(alice.page);
  check('the cookie of the ended session is worth nothing', replayed.status === 401, replayed);
  await alice.page.goto(site.SITE_URL + BASES[0]);
  check('and whoever navigates signs in anew', alice.page.url().startsWith(new URL(site.ISSUER).origin), alice.page.url());

  const still = await ask(bob.page);
  check('nobody else is signed out', still.principal === 'bob', still);
} finally {
  await browser.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
