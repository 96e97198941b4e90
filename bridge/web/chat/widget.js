// The chat widget: <script src="https://bridge.example.com/chat/widget.js" data-assistant-id="support"
//   data-backend-url="https://bridge.example.com" data-theme="light" data-position="bottom-right"
//   data-primary-color="#6366F1" data-title="Chat Support"></script>
// It holds no key: the bridge lets pages in by their origin. Everything that is shown is set as text, never as markup.
(() => {
  "use strict";
  const script = document.currentScript;
  const option = (name, fallback) => script.getAttribute("data-" + name) || fallback;
  const backend = option("backend-url", new URL(script.src).origin).replace(/\/+$/, "");
  const agent = option("assistant-id", "");
  const title = option("title", "Chat Support");
  const dark = option("theme", "light") === "dark";
  const left = option("position", "bottom-right") === "bottom-left";
  const given = option("primary-color", "#6366F1");
  const color = /^#[0-9a-fA-F]{3,8}$/.test(given) ? given : "#6366F1";
  const KEY = "callbridge-chat-" + agent;
  let conversation = "";
  try { conversation = sessionStorage.getItem(KEY) || ""; } catch (_) { conversation = ""; }
  let busy = false;

  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text) element.textContent = text;
    return element;
  };

  const start = () => {
    const host = make("div");
    host.id = "callbridge-chat";
    const root = host.attachShadow({ mode: "open" });
    const style = make("style");
    style.textContent = `
      :host { all: initial; }
      * { box-sizing: border-box; font-family: system-ui, sans-serif; }
      .button, .panel { position: fixed; ${left ? "left" : "right"}: 20px; z-index: 2147483000; }
      .button { bottom: 20px; width: 56px; height: 56px; border: 0; border-radius: 28px; background: ${color};
        display: grid; place-items: center; cursor: pointer; box-shadow: 0 4px 14px #0005; }
      .panel { bottom: 88px; width: min(360px, calc(100vw - 40px)); height: min(520px, calc(100vh - 120px));
        display: flex; flex-direction: column; border-radius: 12px; overflow: hidden; box-shadow: 0 8px 30px #0006;
        background: ${dark ? "#1f2430" : "#fff"}; color: ${dark ? "#eef" : "#1a1a2a"}; }
      .panel[hidden] { display: none; }
      .head { padding: 14px 16px; background: ${color}; color: #fff; font-weight: 600; display: flex; gap: 8px; }
      .head span { flex: 1; }
      .head button { border: 1px solid #fff8; border-radius: 6px; background: none; color: #fff; cursor: pointer; }
      .log { flex: 1; overflow-y: auto; padding: 14px; display: flex; flex-direction: column; gap: 8px; }
      .line { max-width: 85%; padding: 8px 12px; border-radius: 12px; white-space: pre-wrap; overflow-wrap: anywhere;
        font-size: 14px; line-height: 1.4; }
      .them { align-self: flex-start; background: ${dark ? "#2d3444" : "#eef0f6"}; }
      .me { align-self: flex-end; background: ${color}; color: #fff; }
      .note { align-self: center; font-size: 12px; opacity: .8; }
      form { display: flex; gap: 8px; padding: 10px; border-top: 1px solid ${dark ? "#3a4256" : "#e2e4ec"}; }
      form[hidden] { display: none; }
      input { flex: 1; min-width: 0; padding: 10px; border-radius: 8px; font-size: 14px; color: inherit;
        background: ${dark ? "#161a24" : "#fff"}; border: 1px solid ${dark ? "#3a4256" : "#c9cddb"}; }
      form button { border: 0; border-radius: 8px; padding: 0 14px; background: ${color}; color: #fff; cursor: pointer; }
      button:focus-visible, input:focus-visible { outline: 2px solid ${dark ? "#fff" : "#111"}; outline-offset: 2px; }
    `;
    const button = make("button", "button");
    // A drawn icon: not every machine has a font with the pictures of speech balloons.
    const SVG = "http://www.w3.org/2000/svg";
    const icon = document.createElementNS(SVG, "svg");
    icon.setAttribute("viewBox", "0 0 24 24");
    icon.setAttribute("width", "26");
    icon.setAttribute("fill", "#fff");
    icon.setAttribute("aria-hidden", "true");
    const shape = document.createElementNS(SVG, "path");
    shape.setAttribute("d", "M4 3h16a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H9l-5 5v-5a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z");
    icon.append(shape);
    button.append(icon);
    button.setAttribute("aria-label", "Open " + title);
    button.setAttribute("aria-expanded", "false");
    const panel = make("div", "panel");
    panel.hidden = true;
    panel.setAttribute("role", "dialog");
    panel.setAttribute("aria-label", title);
    const head = make("div", "head");
    const callMe = make("button", "", "Call me");
    callMe.type = "button";
    callMe.hidden = true;
    head.append(make("span", "", title), callMe);
    const log = make("div", "log");
    log.setAttribute("role", "log");
    log.setAttribute("aria-live", "polite");
    const form = (label, send, type) => {
      const made = make("form");
      const input = make("input");
      input.type = type;
      input.placeholder = label;
      input.setAttribute("aria-label", label);
      input.maxLength = 4000;
      input.autocomplete = type === "tel" ? "tel" : "off";
      made.append(input, make("button", "", send));
      return [made, input];
    };
    const [chat, text] = form("Write a message", "Send", "text");
    const [phone, number] = form("+1 555 0100", "Call", "tel");
    phone.hidden = true;
    panel.append(head, log, phone, chat);
    root.append(style, panel, button);
    document.body.append(host);

    const show = (kind, words) => {
      const line = make("div", "line " + kind, words);
      log.append(line);
      log.scrollTop = log.scrollHeight;
      return line;
    };
    const post = async (path, body) => {
      const response = await fetch(backend + path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        credentials: "omit",
      });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.detail || "That did not work.");
      return answer;
    };
    const attempt = async (work) => {
      if (busy) return;
      busy = true;
      const waiting = show("note", "\u2026");
      try {
        await work();
      } catch (error) {
        show("note", error instanceof TypeError ? "There is no connection. Please try again." : error.message);
      } finally {
        waiting.remove();
        busy = false;
      }
    };
    button.addEventListener("click", () => {
      panel.hidden = !panel.hidden;
      button.setAttribute("aria-expanded", String(!panel.hidden));
      if (!panel.hidden) text.focus();
    });
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { panel.hidden = true; button.setAttribute("aria-expanded", "false"); button.focus(); }
    });
    chat.addEventListener("submit", (event) => {
      event.preventDefault();
      const words = text.value.trim();
      if (!words || busy) return;
      text.value = "";
      show("me", words);
      attempt(async () => {
        const answer = await post("/chat/messages", { agent, text: words, conversation_id: conversation });
        conversation = answer.conversation_id;
        try { sessionStorage.setItem(KEY, conversation); } catch (_) { /* private browsing: it lasts as long as the page */ }
        callMe.hidden = !answer.call_me;
        show("them", answer.reply);
      });
    });
    callMe.addEventListener("click", () => {
      phone.hidden = !phone.hidden;
      if (!phone.hidden) number.focus();
    });
    phone.addEventListener("submit", (event) => {
      event.preventDefault();
      const wanted = number.value.replace(/[\s().-]/g, "");
      attempt(async () => {
        await post("/chat/call", { conversation_id: conversation, number: wanted });
        phone.hidden = true;
        callMe.hidden = true;
        show("note", "We are calling you.");
      });
    });
  };
  if (document.body) start(); else document.addEventListener("DOMContentLoaded", start);
})();
