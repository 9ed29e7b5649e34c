// Named checks, run in order, one line each; the closing line counts them. Shared by the drivers that node runs.
const checks = [];

// One more, which fails if it throws.
export const check = (name, run) => checks.push({ name, run });

// Runs them, and ends the process as they went.
export const finish = async () => {
  let failed = 0;
  for (const { name, run } of checks) {
    try {
      await run();
      console.log("ok  ", name);
    } catch (fault) {
      failed += 1;
      console.log("FAIL", name, String(fault?.stack ?? fault).replace(/\s+/g, " ").slice(0, 800));
    }
  }
  console.log(`${checks.length - failed} passed, ${failed} failed`);
  process.exit(failed || !checks.length ? 1 : 0);
};
