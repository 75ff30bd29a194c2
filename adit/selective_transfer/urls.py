from django.urls import path

from adit.selective_transfer import views

app_name = "selective_transfer"
urlpatterns = [
    path("", views.form, name="form"),
    path("basket/", views.basket, name="basket"),
]
