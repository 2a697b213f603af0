// How a page of somebody else can make a browser call a server. Each is sent to that page as text, so it uses nothing from outside.

export interface Target {
  readonly url: string;
  readonly method: string;
  readonly body: string;
}

type Attack = (target: Target) => Promise<string>;

/** Methods and headers that a browser sends to another origin without asking it first. What the page reads of the answer is returned. */
export const UNASKED: Record<string, Attack> = {
  'fetch with credentials': async ({ url, method, body }) => {
    const answer = await fetch(url, {
      method,
      credentials: 'include',
      ...(method === 'GET' ? {} : { body, headers: { 'content-type': 'text/plain' } }),
    });
    return answer.text();
  },
  'fetch without CORS': async ({ url, method, body }) => {
    const answer = await fetch(url, {
      method,
      mode: 'no-cors',
      credentials: 'include',
      ...(method === 'GET' ? {} : { body }),
    });
    return answer.text();
  },
};

/** Those of a POST alone. */
export const POSTS: Record<string, Attack> = {
  ...UNASKED,
  sendBeacon: ({ url, body }) => {
    navigator.sendBeacon(url, body);
    return Promise.resolve('');
  },
  'form into a frame': ({ url, body }) => {
    const frame = document.createElement('iframe');
    frame.name = `frame${document.forms.length}`;
    const form = document.createElement('form');
    Object.assign(form, { method: 'POST', action: url, enctype: 'text/plain', target: frame.name });
    const field = document.createElement('input');
    // `name=value` as a text is JSON again.
    field.name = body.replace(/}$/, ',"x":"');
    field.value = '"}';
    form.append(field);
    document.body.append(frame, form);
    form.submit();
    return Promise.resolve('');
  },
  'form of the whole page': ({ url }) => {
    const form = document.createElement('form');
    Object.assign(form, { method: 'POST', action: url });
    document.body.append(form);
    form.submit();
    return Promise.resolve('');
  },
};

/** Those of a GET alone. */
export const READS: Record<string, Attack> = {
  ...UNASKED,
  image: ({ url }) =>
    new Promise((resolve) => {
      const image = new Image();
      image.onload = () => resolve(`${image.width} wide`);
      image.onerror = () => resolve('');
      image.src = url;
    }),
  script: ({ url }) =>
    new Promise((resolve) => {
      const script = document.createElement('script');
      script.onload = () => resolve('');
      script.onerror = () => resolve('');
      script.src = url;
      document.body.append(script);
    }),
  'style sheet': ({ url }) =>
    new Promise((resolve) => {
      const link = document.createElement('link');
      link.rel = 'stylesheet';
      link.onload = () => resolve(String(document.styleSheets.length));
      link.onerror = () => resolve('');
      link.href = url;
      document.body.append(link);
    }),
  frame: ({ url }) =>
    new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.onload = () => {
        try {
          resolve(frame.contentDocument?.body.textContent ?? '');
        } catch {
          resolve('');
        }
      };
      frame.src = url;
      document.body.append(frame);
    }),
  EventSource: ({ url }) =>
    new Promise((resolve) => {
      const source = new EventSource(url, { withCredentials: true });
      source.onerror = () => {
        source.close();
        resolve('');
      };
      source.onmessage = (event) => resolve(String(event.data));
    }),
  WebSocket: ({ url }) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url.replace('http', 'ws'));
      socket.onerror = () => resolve('');
      socket.onopen = () => resolve('open');
    }),
  navigation: ({ url }) => {
    location.href = url;
    return Promise.resolve('');
  },
};

/** Those that leave the page. */
export const LEAVING: readonly string[] = ['form of the whole page', 'navigation'];

/** What a browser asks for first: the call itself must never come. */
export const ASKED: Record<string, Attack> = {
  'with X-Fleetmint': async ({ url, method, body }) => {
    const answer = await fetch(url, {
      method,
      credentials: 'include',
      headers: { 'X-Fleetmint': '1', ...(method === 'GET' ? {} : { 'content-type': 'text/plain' }) },
      ...(method === 'GET' ? {} : { body }),
    });
    return answer.text();
  },
  'with JSON': async ({ url, method, body }) => {
    const answer = await fetch(url, {
      method: method === 'GET' ? 'POST' : method,
      credentials: 'include',
      headers: { 'content-type': 'application/json' },
      body,
    });
    return answer.text();
  },
};
