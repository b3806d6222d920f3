// Lists what /docs.json describes: operations with their parameters, answers and a call to try.

const EXAMPLES = {
  predict: (at) => `curl -F audio=@clip.wav '${at}/predict?timeline=1'\ncurl -H 'Content-Type: audio/wav' --data-binary @clip.wav ${at}/predict`,
  predict_batch: (at) => `curl -F audio=@a.wav -F audio=@b.mp3 ${at}/predict/batch`,
  model_card: (at) => `curl ${at}/model/card`,
};

const part = (id) => document.getElementById(id);

function element(tag, ...content) {
  const made = document.createElement(tag);
  made.append(...content);
  return made;
}

/** A table of rows of cells; the first row is its head. */
function table([head, ...rows]) {
  const line = (cells, tag) => element("tr", ...cells.map((cell) => element(tag, cell)));
  return element(
    "table",
    element("thead", line(head, "th")),
    element("tbody", ...rows.map((row) => line(row, "td"))),
  );
}

const shapeOf = (reference) => reference.split("/").pop();

/** A schema in few words: its type, or a link to the shape that it is. */
function kind(schema) {
  if (schema.$ref) {
    const name = shapeOf(schema.$ref);
    const link = element("a", name);
    link.href = `#shape-${name}`;
    return link;
  }
  if (schema.anyOf) {
    const choices = schema.anyOf.filter(({ type }) => type !== "null").map(kind);
    return element("span", ...choices.flatMap((choice, index) => (index ? [" or ", choice] : [choice])));
  }
  if (schema.enum) return schema.enum.join(" or ");
  if (schema.type === "array") return element("span", "list of ", schema.items ? kind(schema.items) : "values");
  if (schema.contentMediaType) return "file";
  return schema.type ?? "bytes";
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, { description, content }]) => {
    const forms = Object.entries(content ?? {}).map(([media, { schema }]) =>
      schema.$ref ? kind(schema) : element("code", media));
    return [status, description, element("span", ...forms.flatMap((form, i) => (i ? [", ", form] : [form])))];
  });
  return table([["status", "when", "body"], ...rows]);
}

function operation(path, method, told, at) {
  const made = element("section", element("h2", element("code", `${method.toUpperCase()} ${path}`)));
  made.append(element("p", element("strong", told.summary), told.description ? ` ${told.description}` : ""));
  if (told.security) made.append(element("p", "Needs the operator's token: ", element("code", "Authorization: Bearer …")));
  const fields = Object.entries(told.requestBody?.content ?? {}).map(([media, { schema }]) => {
    const [[name, value] = []] = Object.entries(schema.properties ?? {});
    return [element("code", media), name ? element("span", `field ${name}: `, kind(value)) : "the sound itself"];
  });
  const parameters = (told.parameters ?? []).map(({ name, description, schema }) =>
    [element("code", `?${name}`), element("span", kind(schema), ". ", description ?? "")]);
  if (fields.length) made.append(element("h3", "Body"), table([["media type", "holds"], ...fields]));
  if (parameters.length) made.append(element("h3", "Parameters"), table([["parameter", "is"], ...parameters]));
  made.append(element("h3", "Answers"), answers(told.responses));
  const example = EXAMPLES[told.operationId] ?? (() => `curl ${at}${path}`);
  made.append(element("h3", "Try it"), element("pre", element("code", example(at))));
  return made;
}

function shape(name, schema) {
  const made = element("section", element("h3", name), element("p", schema.description ?? ""));
  made.id = `shape-${name}`;
  const rows = Object.entries(schema.properties ?? {}).map(([key, value]) => [
    element("code", schema.required?.includes(key) ? key : `${key}?`),
    kind(value),
    value.description ?? "",
  ]);
  made.append(table([["key", "is", ""], ...rows]));
  return made;
}

async function show() {
  const reply = await fetch("docs.json");
  const { info, paths, components } = await reply.json();
  const at = new URL(".", location.href).href.replace(/\/$/, "");
  part("about").textContent = info.description;
  part("operations").replaceChildren(...Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, told]) => operation(path, method, told, at))));
  part("shapes").replaceChildren(...Object.entries(components.schemas).map(([name, schema]) => shape(name, schema)));
}

show().catch(() => { part("operations").textContent = "The description cannot be read: see whether the service runs."; });
