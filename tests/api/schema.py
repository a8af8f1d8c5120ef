# SPDX-License-Identifier: Apache-2.0
"""As much of JSON Schema as the OpenAPI document uses; anything else in it is an error."""
import re

KNOWN = {"type", "format", "minimum", "properties", "additionalProperties", "required", "enum",
         "oneOf", "allOf", "$ref", "items", "pattern", "description", "example", "readOnly"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}


class Checker:
    def __init__(self, document):
        self.schemas = document["components"]["schemas"]

    def errors(self, schema, value, where="$"):
        """A list of complaints; empty when the value is as described."""
        unknown = set(schema) - KNOWN
        if unknown:
            return [f"{where}: the schema uses {unknown}"]
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/components/schemas/")
            return self.errors(self.schemas[name], value, where)
        found = []
        for part in schema.get("allOf", []):
            found += self.errors(part, value, where)
        if "oneOf" in schema:
            fits = [part for part in schema["oneOf"] if not self.errors(part, value, where)]
            if len(fits) != 1:
                found.append(f"{where}: {value!r} fits {len(fits)} of {schema['oneOf']}")
        found += self._type(schema, value, where)
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{where}: {value!r} is none of {schema['enum']}")
        if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
            found.append(f"{where}: {value!r} does not match {schema['pattern']}")
        if isinstance(value, dict):
            found += self._object(schema, value, where)
        if isinstance(value, list):
            for i, item in enumerate(value):
                found += self.errors(schema.get("items", {}), item, f"{where}[{i}]")
        return found

    @staticmethod
    def _type(schema, value, where):
        kind = schema.get("type")
        if kind is None:
            return []
        if kind in ("integer", "number"):
            right = isinstance(value, int if kind == "integer" else (int, float))
            right = right and not isinstance(value, bool) and value >= schema.get("minimum", value)
        else:
            right = isinstance(value, TYPES[kind])
        return [] if right else [f"{where}: {value!r} is not of type {kind}"]

    def _object(self, schema, value, where):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        found = [f"{where}: '{name}' is missing" for name in schema.get("required", [])
                 if name not in value]
        for name, member in value.items():
            if name in properties:
                found += self.errors(properties[name], member, f"{where}.{name}")
            elif others is False:
                found.append(f"{where}: '{name}' is not described")
            elif isinstance(others, dict):
                found += self.errors(others, member, f"{where}.{name}")
        return found
