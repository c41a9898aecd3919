// /docs/try: Swagger UI on the contract. It loads nothing from elsewhere.

const place = document.getElementById("swagger");
SwaggerUIBundle({ url: place.dataset.contract, domNode: place, docExpansion: "list", deepLinking: false, validatorUrl: null });
