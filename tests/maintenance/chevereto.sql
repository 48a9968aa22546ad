-- MySQL dump 10.19
/*!40101 SET NAMES utf8mb4 */;
DROP TABLE IF EXISTS `chv_images`;
CREATE TABLE `chv_images` (
  `image_id` bigint(32) NOT NULL AUTO_INCREMENT,
  `image_name` varchar(255) NOT NULL,
  `image_extension` varchar(255) NOT NULL,
  `image_date` datetime NOT NULL,
  `image_date_gmt` datetime NOT NULL,
  `image_title` varchar(100) DEFAULT NULL,
  `image_description` text,
  `image_nsfw` tinyint(1) NOT NULL DEFAULT '0',
  `image_uploader_ip` varchar(255) NOT NULL,
  `image_storage_mode` enum('datefolder','direct','old') NOT NULL DEFAULT 'datefolder',
  `image_original_filename` varchar(255) NOT NULL,
  `image_views` bigint(32) NOT NULL DEFAULT '0',
  `image_expiration_date_gmt` datetime DEFAULT NULL,
  PRIMARY KEY (`image_id`),
  KEY `image_name` (`image_name`)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4;
INSERT INTO `chv_images` VALUES (1,'a','jpg','2014-06-04 01:30:00','2014-06-03 23:30:00','It''s \'the\' title; (1)','Line\r\nbreak',1,'192.0.2.7','datefolder','Grüße.JPG',417,NULL),(2,'gone','png','2014-06-04 10:00:00','2014-06-04 10:00:00',NULL,NULL,0,'','datefolder','gone.png',0,'2015-01-01 00:00:00'),
(3,'loose','png','2014-06-04 10:00:00','2014-06-04 10:00:00',NULL,NULL,0,'::1','direct','x',0,'2099-01-01 00:00:00'),(4,'missing','png','2014-06-04 10:00:00','2014-06-04 10:00:00',NULL,NULL,0,'','datefolder','x',0,NULL);
INSERT INTO `chv_images` VALUES (5,'broken','png','nonsense','nonsense',NULL,NULL,0,'','datefolder','x',0,NULL);
CREATE TABLE `chv_settings` (`setting_id` int, `setting_name` varchar(255), `setting_value` text);
INSERT INTO `chv_settings` (`setting_id`, `setting_name`, `setting_value`) VALUES (1,'crypt_salt','0a1b2c3d'),(2,'id_padding','5000');
