// Packages are in a cache outside of the work tree: FORMS_MODULES names it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import path from "node:path";

export const require = createRequire(path.join(process.env.FORMS_MODULES, "package.json"));
export const golden = (name) => readFileSync(fileURLToPath(new URL("../golden/" + name, import.meta.url)), "utf8");
