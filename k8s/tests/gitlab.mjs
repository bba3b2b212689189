// Checks .gitlab-ci.yml against GitLab's own schema of CI files, which gitlab-ci-local ships, and what the schema cannot
// say: stages exist, `needs` name jobs, jobs that deploy are held apart by a resource group.
//
//     node k8s/tests/gitlab.mjs .gitlab-ci.yml
//
// Does not run jobs, and does not resolve includes (there are none).
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const { default: schema } = await import("gitlab-ci-local/src/schema/index.js");
const Ajv = require("ajv").default ?? require("ajv");
const yaml = require("js-yaml");

const KEYWORDS = new Set(["stages", "workflow", "default", "variables", "include", "image", "services", "cache", "spec"]);
const file = yaml.load(readFileSync(process.argv[2], "utf8"));
const faults = [];

const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
if (!validate(file)) faults.push(...validate.errors.map((e) => `${e.instancePath || "/"}: ${e.message}`));

const jobs = Object.entries(file).filter(([name]) => !KEYWORDS.has(name));
const visible = jobs.filter(([name]) => !name.startsWith("."));
const names = new Set(jobs.map(([name]) => name));
// What a job has by itself or from what it extends.
const resolve = (job) => [job.extends ?? []].flat().reduce((all, base) => ({ ...resolve(file[base] ?? {}), ...all }), job);
for (const [name, own] of visible) {
  const job = resolve(own);
  for (const base of [own.extends ?? []].flat()) if (!names.has(base)) faults.push(`${name}: extends unknown ${base}`);
  if (!file.stages.includes(job.stage)) faults.push(`${name}: unknown stage ${job.stage}`);
  if (!job.script) faults.push(`${name}: has no script`);
  for (const need of job.needs ?? []) {
    const needed = need.job ?? need;
    if (!names.has(needed)) faults.push(`${name}: needs unknown ${needed}`);
    else if (file.stages.indexOf(resolve(file[needed]).stage) > file.stages.indexOf(job.stage)) {
      faults.push(`${name}: needs ${needed}, which runs later`);
    }
  }
  if (job.environment && !job.resource_group) faults.push(`${name}: deploys without a resource group`);
  const image = (job.image?.name ?? job.image ?? "").replace(/^\$(\w+)$/, (text, name) => file.variables?.[name] ?? text);
  if (/:latest|^[^:@]+$/.test(image)) faults.push(`${name}: image without a tag that stays`);
}
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}
console.log(`.gitlab-ci.yml: ${visible.length} jobs in ${file.stages.length} stages keep GitLab's schema`);
