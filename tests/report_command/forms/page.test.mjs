// Opens `amiseal report --output html` in a browser, as people do.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import { golden, require } from "./modules.mjs";

const { chromium } = require("playwright-core");
const axe = require("axe-core");
// A folder for pictures of the page, for whoever wants to see them.
const pictures = process.env.FORMS_PICTURES;

let browser;
let server;
let origin;
// What the server gives, by path, and what it was asked for.
const pages = new Map([["/report", golden("report.html")], ["/since", golden("since.html")],
  ["/unread", golden("unread.html")]]);
const asked = [];

// The page of a report with so many images and findings.
function large(count) {
  const page = golden("report.html");
  const [, json] = page.match(/<script type="application\/json" id="report">(.*?)<\/script>/s);
  const report = JSON.parse(json);
  const [image, finding] = [report.images[0], report.findings[0]];
  const id = (number) => "ami-" + number.toString(16).padStart(17, "0");
  const checks = ["unencrypted-image", "unused-image", "old-image"];
  const numbers = Array.from({ length: count }, (_, number) => number);
  report.images = numbers.map((number) => ({ ...image, id: id(number), name: "image " + number }));
  report.findings = numbers.map((number) => (
    { ...finding, id: String(number), check: checks[number % 3], severity: ["high", "low", "medium"][number % 3], resource: id(number) }));
  return page.replace(json, () => JSON.stringify(report).replaceAll("<", "\\u003c"));
}

before(async () => {
  pages.set("/large", large(6000));
  server = createServer((request, response) => {
    asked.push(request.url);
    const page = pages.get(request.url);
    response.writeHead(page ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
    response.end(page ?? "");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = "http://127.0.0.1:" + server.address().port;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  if (pictures) mkdirSync(pictures, { recursive: true });
});

after(async () => {
  await browser?.close();
  server.close();
});

// A page, with all that it asked for and complained of.
async function open(name, options = {}) {
  // Playwright's own evaluation is not the page's, so the policy holds for the page alone.
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const seen = { requests: [], errors: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("dialog", (dialog) => { seen.errors.push("dialog"); dialog.dismiss(); });
  await page.goto(origin + name);
  return { context, page, seen };
}

const picture = (page, name) => pictures && page.screenshot({ path: path.join(pictures, name + ".png"), fullPage: true });
const status = (page, id) => page.locator("#" + id + " [role=status]").innerText();
const first = (page, id, column) => page.locator(`#${id} tbody tr:first-child [data-label="${column}"]`).innerText();

for (const name of ["/report", "/since", "/unread"]) {
  test(name + " asks nobody for anything, and complains of nothing", async () => {
    const { context, page, seen } = await open(name);
    await page.waitForTimeout(200);
    assert.deepEqual(seen.requests.filter((url) => !url.startsWith("data:")), [origin + name]);
    assert.deepEqual(seen.errors, []);
    await context.close();
  });
}

test("names of markup are text", async () => {
  const { context, page, seen } = await open("/since");
  assert.equal(await page.locator("img").count(), 0);
  assert.equal(await page.locator("b, i").count(), 0);
  assert.match(await page.title(), /^Machine images, /);
  const text = await page.locator("main").innerText();
  for (const name of ["</script><img src=x onerror=\"document.title='owned'\">", "=it's \"quoted\" & <b>bold</b> [x](y) {0}",
    "<img src=x onerror=alert(1)> a lab", "</script><i>gone</i> is not encrypted."]) {
    assert.ok(text.includes(name), name);
  }
  assert.deepEqual(seen.errors, []);
  await context.close();
});

test("the policy lets nothing else run, load or send", async () => {
  const { context, page } = await open("/report");
  const broken = await page.evaluate(async () => {
    const broken = [];
    addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
    const script = document.createElement("script");
    try { script.textContent = "window.owned = true"; document.body.append(script); } catch { broken.push("trusted types"); }
    const image = document.createElement("img");
    image.src = "/picture.png";
    document.body.append(image);
    await fetch("/data").catch(() => {});
    try { document.body.insertAdjacentHTML("beforeend", "<p>"); } catch { broken.push("markup"); }
    await new Promise((resolve) => setTimeout(resolve, 200));
    return { broken, owned: window.owned };
  });
  assert.equal(broken.owned, undefined);
  for (const what of ["img-src", "connect-src", "markup"]) assert.ok(broken.broken.includes(what), what + " of " + broken.broken);
  assert.ok(!asked.includes("/picture.png") && !asked.includes("/data"), String(asked));
  await context.close();
});

test("filters and columns are used with the keyboard alone", async () => {
  const { context, page } = await open("/large");
  assert.equal(await status(page, "findings"), "6,000 findings, the first 200 shown.");
  // With Tab to the first field, as somebody without a mouse gets there.
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  for (let step = 0; step < 40 && (await focused()) !== "findings-text"; step++) await page.keyboard.press("Tab");
  assert.equal(await focused(), "findings-text");
  await page.keyboard.type("0000BB8");
  assert.equal(await status(page, "findings"), "1 of 6,000 findings.");
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "findings-severity");
  await page.keyboard.press("l");
  assert.equal(await status(page, "findings"), "2,000 of 6,000 findings, the first 200 shown.");
  for (let step = 0; step < 20 && (await focused()) !== "Resource"; step++) await page.keyboard.press("Tab");
  const header = page.locator("#findings th", { hasText: "Resource" });
  await page.keyboard.press("Enter");
  assert.equal(await header.getAttribute("aria-sort"), "ascending");
  assert.equal(await first(page, "findings", "Resource"), "ami-00000000000000001");
  await page.keyboard.press("Space");
  assert.equal(await header.getAttribute("aria-sort"), "descending");
  assert.equal(await first(page, "findings", "Resource"), "ami-0000000000000176e");
  assert.equal(await focused(), "Resource");
  const visible = await header.locator("button").evaluate((button) => getComputedStyle(button).outlineStyle);
  assert.equal(visible, "solid");
  await page.locator("#findings button[type=reset]").focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#findings .status").textContent.startsWith("6,000 findings"));
  await context.close();
});

test("thousands of images are drawn when somebody asks for them", async () => {
  const { context, page } = await open("/large");
  assert.equal(await page.locator("#images tbody tr").count(), 200);
  await page.locator("#images button.more").focus();
  const began = Date.now();
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#images tbody tr").count(), 6000);
  assert.ok(Date.now() - began < 15000, "it took " + (Date.now() - began) + " ms");
  assert.equal(await status(page, "images"), "6,000 images.");
  assert.equal(await page.evaluate(() => document.activeElement.sectionRowIndex), 200);
  await page.locator("#images-text").fill("image 4321");
  assert.equal(await status(page, "images"), "1 of 6,000 images.");
  await context.close();
});

test("who uses an image can be opened", async () => {
  const { context, page } = await open("/report");
  const details = page.locator("#images details").first();
  await details.locator("summary").focus();
  await page.keyboard.press("Enter");
  await details.locator("li").first().waitFor();
  const users = await details.locator("li").allInnerTexts();
  assert.ok(users.some((user) => user.startsWith("Instance i-")), String(users));
  await context.close();
});

for (const [look, options] of [
  ["wide", {}],
  ["dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
  ["phone-dark", { viewport: { width: 360, height: 740 }, colorScheme: "dark" }],
]) {
  for (const name of ["/report", "/since", "/unread"]) {
    test(`${name} has no barrier that axe finds, nor a sideways scroll: ${look}`, async () => {
      const { context, page } = await open(name, options);
      await page.locator("#images details summary").first().click();
      await picture(page, name.slice(1) + "-" + look);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, "it is wider than the screen by " + wide);
      const { violations, passes } = await page.evaluate(axe.source + "; axe.run()");
      assert.ok(passes.length > 15, "axe has looked");
      assert.deepEqual(violations.map((found) => [found.id, found.nodes.map((node) => node.html)]), []);
      await context.close();
    });
  }
}

test("on paper there are no buttons, and who uses an image is there", async () => {
  const { context, page } = await open("/report", { colorScheme: "dark" });
  if (pictures) await page.pdf({ path: path.join(pictures, "report.pdf"), format: "A4", margin: { top: "12mm", bottom: "12mm", left: "12mm", right: "12mm" } });
  await page.emulateMedia({ media: "print" });
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  assert.ok(await page.locator("#images details li").first().isVisible());
  assert.equal(await page.locator("button:visible, .filters:visible").count(), 0);
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(paper, "rgb(255, 255, 255)");
  await context.close();
});

test("without a script the summary and the checks are there", async () => {
  const { context, page } = await open("/since", { javaScriptEnabled: false });
  const text = await page.locator("main").innerText();
  assert.ok(text.includes("unencrypted images") && text.includes("Everybody can launch the image."), text);
  await context.close();
});
